// GET /metrics: everything that is counted, as Prometheus text or OpenMetrics. The names are a
// promise: tests/compat holds them.
//
// Pure but for ReadProcessStats, which reads /proc/self.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/observe/limit_hits.h"
#include "proxy/observe/metrics.h"
#include "proxy/registry/registry.h"
#include "server/reload_stats.h"

namespace remora::server {

enum class MetricsFormat : std::uint8_t { kText, kOpenMetrics };

// The content type that goes with it.
std::string_view ContentType(MetricsFormat format);
// What the Accept field of a scrape asks for.
MetricsFormat FormatFor(std::string_view accept);

struct ProcessStats {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  double start_time = 0;  // seconds since 1970
};
ProcessStats ReadProcessStats();

// What was counted up to one moment.
struct MetricsInput {
  proxy::MetricsValues values;
  std::vector<proxy::ServerView> servers;
  std::uint64_t revision = 0;
  const proxy::LimitHits* limit_hits = nullptr;
  std::uint64_t downstream_open = 0;
  std::uint64_t access_lines = 0;
  std::uint64_t access_dropped = 0;
  std::map<std::string, std::uint64_t> events;                                 // by kind
  std::map<std::pair<std::string, std::string>, std::uint64_t> control_calls;  // by rpc and code
  ReloadStats reloads;
  ProcessStats process;
  std::string version;
  std::string commit;
};

std::string RenderMetrics(const MetricsInput& input, MetricsFormat format);

}  // namespace remora::server
