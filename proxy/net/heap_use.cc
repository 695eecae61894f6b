#include "proxy/net/heap_use.h"

namespace remora::proxy::net {

HeapUse& HeapUse::OfThisThread() {
  static thread_local HeapUse use;
  return use;
}

}  // namespace remora::proxy::net
