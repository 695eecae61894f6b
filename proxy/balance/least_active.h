// Picks the backend with the least `(active + 1) / weight` and counts the request in, exactly, for
// any number of workers.
//
// LeastActive belongs to one worker (its rotation is not shared); the counts it reads are. Pick is
// synchronous and never blocks.
#pragma once

#include <cstddef>
#include <expected>
#include <span>

#include "proxy/base/error.h"
#include "proxy/registry/backend_set.h"

namespace remora::proxy {

class LeastActive {
 public:
  // Backends in `excluded` are passed over (they have just failed this request).
  // Errors: kNoServers (empty pool), kNoHealthyServer, kQueueFull (all healthy ones are full).
  Result<ActiveRequest> Pick(const BackendSet& set, std::span<const Backend* const> excluded);

 private:
  // Where the next scan starts: behind the last winner, so that equal loads take turns.
  std::size_t start_ = 0;
};

}  // namespace remora::proxy
