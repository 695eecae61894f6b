// What an operator can set for the data plane, with the defaults that ship.
//
// Plain values: server/config fills them, the data plane reads them. Nothing here changes after
// the proxy has started.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace remora::proxy {

enum class ProbeKind : std::uint8_t {
  kAuto,  // GET: 2xx, 3xx pass; 404, 405, 501 pass too (it answers, it has no such endpoint)
  kHttp,  // GET: only 2xx and 3xx pass
  kTcp,   // a connection is enough
  kNone   // always healthy
};

struct HealthCheckSettings {
  ProbeKind probe = ProbeKind::kAuto;
  std::string path = "/health";  // after the server's prefix
  std::chrono::milliseconds interval{5000};
  double jitter = 0.2;  // each wait is interval * (1 +- jitter)
  std::chrono::milliseconds timeout{1000};
  std::uint32_t rise = 2;  // passes in a row that make an unhealthy server healthy
  std::uint32_t fall = 3;  // failures in a row that make a healthy server unhealthy
};

struct TimeoutSettings {
  std::chrono::milliseconds connect{1000};
  std::chrono::milliseconds response_head{60000};  // from the request's end to the answer's head
  std::chrono::milliseconds idle{60000};           // without progress in a body
  std::chrono::milliseconds tunnel{3600000};       // without a byte either way
  std::chrono::milliseconds upstream_idle{4000};   // an unused connection to a backend is kept
};

struct LimitSettings {
  std::size_t head_bytes = 64 * 1024;
  std::size_t head_fields = 100;
  std::size_t request_line_bytes = 16 * 1024;  // the status line of an answer likewise
  std::uint64_t body_bytes = 0;                // of a request; 0: no limit
  std::size_t chunk_extension_bytes = 4096;    // of a body, all its chunks together
  std::size_t trailer_bytes = 8192;            // of a body
  std::uint32_t interim_responses = 10;        // 1xx for one request
  std::uint64_t connection_requests = 0;       // of a client connection; 0: no limit
};

enum class HostHeader : std::uint8_t { kClient, kBackend };

struct PoolSettings {
  std::string name = "default";
  HostHeader host_header = HostHeader::kClient;
  HealthCheckSettings health_check;
  TimeoutSettings timeouts;
  LimitSettings limits;
};

enum class Direction : std::uint8_t { kInbound, kOutbound };

// Fields whose name has an underscore: a backend that reads `_` as `-` (CGI does) takes X_Real_IP
// for X-Real-IP.
enum class Underscores : std::uint8_t { kPass, kReject };

struct ListenerSettings {
  std::string address = "0.0.0.0:3000";  // ip:port; port 0 picks a free one
  std::string pool = "default";
  Direction direction = Direction::kOutbound;
  Underscores underscores = Underscores::kPass;
  std::chrono::milliseconds request_head_timeout{10000};  // first byte to end of head
  std::chrono::milliseconds keep_alive_timeout{60000};    // between requests
};

// One line for each request.
struct AccessLogSettings {
  bool enabled = true;
  double sample = 1.0;    // 0 to 1: of the requests that went well; the others are always logged
  std::string path = {};  // of a file; empty: stdout
};

struct ProxySettings {
  std::uint32_t workers = 1;
  std::uint32_t max_connections = 0;  // downstream, all workers; 0: from RLIMIT_NOFILE
  // What Via calls this process; empty: "remora-" and a random number, so that a request which
  // comes back here is known.
  std::string via_name = {};
  std::vector<ListenerSettings> listeners;
  std::vector<PoolSettings> pools;
};

}  // namespace remora::proxy
