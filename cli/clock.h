// Time as the commands see it: a seam, so that tests of waiting need no waiting.
//
// Threads: one.
#pragma once

#include <chrono>
#include <thread>

namespace remora::cli {

class Clock {
 public:
  virtual ~Clock() = default;

  virtual std::chrono::system_clock::time_point Now() { return std::chrono::system_clock::now(); }
  virtual std::chrono::steady_clock::time_point Steady() {
    return std::chrono::steady_clock::now();
  }
  virtual void Pause(std::chrono::milliseconds duration) { std::this_thread::sleep_for(duration); }
};

}  // namespace remora::cli
