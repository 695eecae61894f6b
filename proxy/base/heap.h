// Free memory of the process goes back to the kernel: after 9,000 requests at once all of 100 MB
// but some 5.
//
// Threads: any. It took 10 ms for those 100 MB, in which whoever asks the heap for memory may wait:
// workers have the control thread call it, as they themselves seldom ask.
#pragma once

namespace remora::proxy {

void ReleaseHeap();

}  // namespace remora::proxy
