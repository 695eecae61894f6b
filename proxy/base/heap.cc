#include "proxy/base/heap.h"

#include <malloc.h>

namespace remora::proxy {

void ReleaseHeap() { malloc_trim(0); }

}  // namespace remora::proxy
