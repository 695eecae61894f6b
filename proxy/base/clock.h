// The clocks of the project, one name each.
#pragma once

#include <chrono>

namespace remora::proxy {

using Clock = std::chrono::steady_clock;  // durations and deadlines
using TimePoint = Clock::time_point;
using Duration = Clock::duration;
using WallClock = std::chrono::system_clock;  // what people and protobuf see
using WallTime = WallClock::time_point;

}  // namespace remora::proxy
