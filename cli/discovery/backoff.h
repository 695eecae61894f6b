// How long to wait after a failure: full jitter, so that many clients of one server that comes back
// do not call it together. Pure; the same seed gives the same waits.
//
// Threads: one.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace remora::cli::discovery {

class Backoff {
 public:
  using Milliseconds = std::chrono::milliseconds;

  Backoff(Milliseconds first, Milliseconds longest, std::uint32_t seed)
      : first_(first), longest_(longest), limit_(first), random_(seed) {}

  // Anything from 0 to a limit that doubles with each failure.
  Milliseconds Next() {
    std::uniform_int_distribution<Milliseconds::rep> any(0, limit_.count());
    limit_ = std::min(limit_ * 2, longest_);
    return Milliseconds(any(random_));
  }
  void Reset() { limit_ = first_; }

 private:
  Milliseconds first_;
  Milliseconds longest_;
  Milliseconds limit_;
  std::mt19937 random_;
};

}  // namespace remora::cli::discovery
