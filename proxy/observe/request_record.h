// What is known of a request once it is over: filled by the forwarder and the session, handed once
// to the reporter, which counts and logs it.
//
// A value. Lifetime: the views point into the request's head and end with it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/error.h"
#include "proxy/observe/server_counters.h"

namespace remora::proxy {

struct RequestRecord {
  // ---- the forwarder's ----
  unsigned status = 0;                       // sent to the client; 0: none
  std::optional<ProxyError> error;           // why it did not end well
  std::string server;                        // id of the backend that answered or failed last
  std::shared_ptr<ServerCounters> counters;  // that backend's
  std::uint32_t attempts = 0;                // backends that were picked
  std::uint32_t active_at_pick = 0;          // of that backend, this request included
  bool answer_complete = false;
  // Bodies only, without the framing; of a tunnel the bytes of each way.
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  // Of the last backend; zero where it did not come so far.
  Duration connect{};     // until there was a connection
  Duration first_byte{};  // from there to the final head of the answer
  TimePoint first_pick;   // nothing was picked: the epoch

  // ---- the session's ----
  TimePoint begin;          // its first byte was there
  TimePoint read;           // its head was complete, or given up
  TimePoint end;            // the last byte of the answer was sent, or given up
  std::string_view client;  // address without port
  std::string_view method;
  std::string_view authority;
  std::string_view path;  // without the query
  unsigned minor_version = 1;
  std::string_view request_id;
  std::string_view trace_id;  // of a valid traceparent, else empty
};

}  // namespace remora::proxy
