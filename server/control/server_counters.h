// What the data plane has counted for one server, as the control API reports it: the seam through
// which the daemon hands it over.
//
// Threads: the source is called on any thread, several at a time, and must not block. Lifetime: it
// outlives the service it was given to.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "proxy/base/clock.h"

namespace remora::server {

struct ServerCounters {
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  // Over roughly the last minute; nullopt where nothing was measured.
  std::optional<proxy::Duration> p50;
  std::optional<proxy::Duration> p99;
};

// Of the server of this id in its pool; nullopt: nothing is known of it. Null: nobody counts.
using ServerCountersSource =
    std::function<std::optional<ServerCounters>(std::string_view pool, std::string_view id)>;

}  // namespace remora::server
