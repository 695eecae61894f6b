// The pauses of a wait that asks again and again: often at first, as most waits are short, then
// ever more rarely until its limit.
//
// Threads: one. Lifetime: the clock outlives it.
#pragma once

#include <algorithm>
#include <chrono>

#include "cli/clock.h"

namespace remora::cli {

class Waiting {
 public:
  Waiting(std::chrono::milliseconds limit, Clock& clock)
      : clock_(clock), deadline_(clock.Steady() + limit) {}

  bool over() { return clock_.Steady() >= deadline_; }
  // How long to pause before the next look.
  std::chrono::milliseconds NextPause() {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - clock_.Steady());
    const auto pause = std::min(pause_, left);
    pause_ = std::min(2 * pause_, kLongestPause);
    return pause;
  }
  void Pause() { clock_.Pause(NextPause()); }

 private:
  static constexpr std::chrono::milliseconds kFirstPause{50};
  static constexpr std::chrono::milliseconds kLongestPause{500};

  Clock& clock_;
  const std::chrono::steady_clock::time_point deadline_;
  std::chrono::milliseconds pause_ = kFirstPause;
};

}  // namespace remora::cli
