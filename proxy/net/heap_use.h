// What a thread's pools (frames, buffers) have taken from the heap, and whether so much of
// it has come back that the kernel should get it (ReleaseHeap in base/heap.h).
//
// Threads: OfThisThread is each thread's own; pure otherwise. What is given back on another thread
// than it was taken on is counted there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

namespace remora::proxy::net {

class HeapUse {
 public:
  // Less is not worth a pass over the heap.
  static constexpr std::ptrdiff_t kWorthwhile = 256 * 1024;

  static HeapUse& OfThisThread();

  void Take(std::size_t bytes) {
    used_ += static_cast<std::ptrdiff_t>(bytes);
    period_peak_ = std::max(period_peak_, used_);
  }
  void Give(std::size_t bytes) { used_ -= static_cast<std::ptrdiff_t>(bytes); }

  // Ends a period. True: all through it kWorthwhile less was used than at some time before, which
  // is forgotten now. So a burst that comes again within the period keeps its memory.
  bool EndPeriod() {
    const std::ptrdiff_t peak = std::exchange(period_peak_, used_);
    peak_ = std::max(peak_, peak);
    if (peak_ - peak < kWorthwhile) return false;
    peak_ = peak;
    return true;
  }

  friend bool operator==(const HeapUse&, const HeapUse&) = default;

 private:
  std::ptrdiff_t used_ = 0;
  std::ptrdiff_t period_peak_ = 0;
  std::ptrdiff_t peak_ = 0;  // of the periods that have ended
};

}  // namespace remora::proxy::net
