// How the reloads of the configuration went, for metrics. A value.
#pragma once

#include <cstdint>

#include "proxy/base/clock.h"

namespace remora::server {

// The start counts as a success for `last_ok` and `last_success_time`, not for `successes`.
struct ReloadStats {
  std::uint64_t successes = 0;
  std::uint64_t failures = 0;
  proxy::WallTime last_success_time;
  bool last_ok = true;
};

}  // namespace remora::server
