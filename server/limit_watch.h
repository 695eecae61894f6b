// Turns the counts of limits that were hit into events: one for each limit and look, however often
// it was hit meanwhile, so that an attacker can't fill the log.
//
// Pure. Threads: one.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "proxy/base/limit.h"
#include "proxy/observe/event_log.h"
#include "proxy/observe/limit_hits.h"

namespace remora::server {

class LimitWatch {
 public:
  // Those that were hit since the look before. A connection that ends because nobody used it, or
  // because it has served its share, is no event.
  std::vector<proxy::Event> Look(const proxy::LimitHits& hits);

 private:
  std::array<std::uint64_t, proxy::kLimitCount> seen_{};
};

}  // namespace remora::server
