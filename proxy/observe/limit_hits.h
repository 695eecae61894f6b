// How often each limit was hit, in all workers. One array for the process: limits are hit rarely,
// or by an attacker whose cost a shared cache line is.
//
// Thread-safe. Lifetime: outlives the workers that count in it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "proxy/base/limit.h"

namespace remora::proxy {

class LimitHits {
 public:
  void Add(Limit limit) {
    if (limit == Limit::kNone) return;
    hits_[static_cast<std::size_t>(limit)].fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t Get(Limit limit) const {
    return hits_[static_cast<std::size_t>(limit)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kLimitCount> hits_{};
};

}  // namespace remora::proxy
