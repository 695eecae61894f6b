#include "server/admin/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "proxy/base/error.h"
#include "proxy/base/limit.h"
#include "proxy/observe/server_counters.h"
#include "server/admin/exposition.h"

namespace remora::server {
namespace {

using proxy::ErrorKind;
using proxy::Limit;
using proxy::PoolValues;
using proxy::ServerState;
using proxy::ServerTable;
using proxy::ServerView;
using Type = Exposition::Type;

constexpr std::array kStates{ServerState::kWarming, ServerState::kActive, ServerState::kUnhealthy,
                             ServerState::kDraining};

void RenderRequests(const MetricsInput& input, Exposition& out) {
  out.Begin("remora_requests_total", Type::kCounter,
            "Requests that ended, by what the client got; server is empty where none was picked.");
  const auto samples = [&out](std::string_view pool, std::string_view server,
                              const proxy::ByCodeAndMethod<std::uint64_t>& requests) {
    for (std::size_t code = 0; code < requests.size(); ++code) {
      for (std::size_t method = 0; method < requests[code].size(); ++method) {
        if (requests[code][method] == 0) continue;
        out.Sample({{"pool", pool},
                    {"server", server},
                    {"code_class", proxy::kCodeClassLabels[code]},
                    {"method", proxy::kMethodLabels[method]}},
                   requests[code][method]);
      }
    }
  };
  for (const PoolValues& pool : input.values.pools) samples(pool.pool, "", pool.requests);
  for (const ServerTable::Row& row : input.values.servers) {
    samples(row.pool, row.server, row.values.requests);
  }
}

void RenderDurations(const MetricsInput& input, Exposition& out) {
  out.Begin("remora_request_duration_seconds", Type::kHistogram,
            "From the first byte of a request to the last of its answer.");
  for (const PoolValues& pool : input.values.pools) {
    out.Sample({{"pool", pool.pool}}, pool.duration);
  }
  out.Begin("remora_upstream_duration_seconds", Type::kHistogram,
            "From the pick of a server to the head of its answer.");
  for (const ServerTable::Row& row : input.values.servers) {
    out.Sample({{"pool", row.pool}, {"server", row.server}}, row.values.duration);
  }
}

// By the reasons of the one table of errors; kinds that never happened have no series.
void RenderByReason(const MetricsInput& input, Exposition& out) {
  const auto samples = [&](auto member) {
    for (const PoolValues& pool : input.values.pools) {
      const auto& counts = pool.*member;
      for (std::size_t kind = 0; kind < counts.size(); ++kind) {
        if (counts[kind] == 0) continue;
        const std::string_view reason = Describe(static_cast<ErrorKind>(kind)).reason;
        out.Sample({{"pool", pool.pool}, {"reason", reason}}, counts[kind]);
      }
    }
  };
  out.Begin("remora_errors_total", Type::kCounter,
            "Requests that did not end well, by the reason that log and answer give.");
  samples(&PoolValues::errors);
  out.Begin("remora_retries_total", Type::kCounter,
            "Requests that were tried again, by what had failed.");
  samples(&PoolValues::retries);
}

void RenderPools(const MetricsInput& input, Exposition& out) {
  RenderRequests(input, out);
  RenderDurations(input, out);
  RenderByReason(input, out);
  out.Begin("remora_bytes_total", Type::kCounter, "Of relayed bodies, without framing.");
  for (const PoolValues& pool : input.values.pools) {
    out.Sample({{"pool", pool.pool}, {"direction", "in"}}, pool.bytes_in);
    out.Sample({{"pool", pool.pool}, {"direction", "out"}}, pool.bytes_out);
  }
}

void RenderServerCounters(const MetricsInput& input, Exposition& out) {
  out.Begin("remora_server_picks_total", Type::kCounter, "Times that a server was picked.");
  for (const ServerTable::Row& row : input.values.servers) {
    out.Sample({{"pool", row.pool}, {"server", row.server}}, row.values.picks);
  }
  out.Begin("remora_server_failures_total", Type::kCounter,
            "Picks that brought no complete answer.");
  for (const ServerTable::Row& row : input.values.servers) {
    out.Sample({{"pool", row.pool}, {"server", row.server}}, row.values.failures);
  }
  out.Begin("remora_health_checks_total", Type::kCounter, "Probes that gave a verdict.");
  for (const ServerTable::Row& row : input.values.servers) {
    for (const auto& [result, count] : {std::pair("passed", row.values.probes_passed),
                                        std::pair("failed", row.values.probes_failed)}) {
      out.Sample({{"pool", row.pool}, {"server", row.server}, {"result", result}}, count);
    }
  }
}

// Only servers that have series of their own, and each name once: of one that was removed and added
// again, the one that takes traffic.
std::vector<const ServerView*> ShownServers(const MetricsInput& input) {
  std::map<std::pair<std::string_view, std::string_view>, const ServerView*> by_name;
  for (const ServerView& server : input.servers) {
    const ServerView*& shown = by_name[{server.pool, server.id}];
    if (shown == nullptr || shown->state == ServerState::kDraining) shown = &server;
  }
  std::vector<const ServerView*> servers;
  for (const ServerTable::Row& row : input.values.servers) {
    const auto found = by_name.find({row.pool, row.server});
    if (found != by_name.end()) servers.push_back(found->second);
  }
  return servers;
}

void RenderServerStates(const MetricsInput& input, Exposition& out) {
  const std::vector<const ServerView*> servers = ShownServers(input);
  out.Begin("remora_server_active_requests", Type::kGauge, "Requests that run now.");
  for (const ServerView* server : servers) {
    out.Sample({{"pool", server->pool}, {"server", server->id}}, std::uint64_t{server->active});
  }
  out.Begin("remora_server_state", Type::kGauge, "1 for the state that the server is in.");
  for (const ServerView* server : servers) {
    for (const ServerState state : kStates) {
      out.Sample({{"pool", server->pool}, {"server", server->id}, {"state", StateName(state)}},
                 std::uint64_t{server->state == state});
    }
  }
}

void RenderConnections(const MetricsInput& input, Exposition& out) {
  out.Begin("remora_connections", Type::kGauge, "Connections that are open now.");
  out.Sample({{"side", "downstream"}, {"state", "open"}}, input.downstream_open);
  out.Sample({{"side", "upstream"}, {"state", "active"}}, input.values.upstream_active);
  out.Sample({{"side", "upstream"}, {"state", "idle"}}, input.values.upstream_idle);
  out.Begin("remora_connections_total", Type::kCounter, "Connections that were opened.");
  out.Sample({{"side", "downstream"}}, input.values.downstream_accepted);
  out.Sample({{"side", "upstream"}}, input.values.upstream_opened);
}

// Every limit has its series from the start, so that an alert's rate() sees the first hit.
void RenderLimits(const MetricsInput& input, Exposition& out) {
  out.Begin("remora_limit_hits_total", Type::kCounter,
            "Requests and connections that hit a limit of the data plane.");
  for (std::size_t i = 1; i < proxy::kLimitCount; ++i) {
    const auto limit = static_cast<Limit>(i);
    out.Sample({{"limit", Name(limit)}}, input.limit_hits->Get(limit));
  }
}

void RenderControl(const MetricsInput& input, Exposition& out) {
  out.Begin("remora_registry_revision", Type::kGauge, "Rises with each change of the servers.");
  out.Sample({}, input.revision);
  out.Begin("remora_control_requests_total", Type::kCounter, "Calls of the control API.");
  for (const auto& [call, count] : input.control_calls) {
    out.Sample({{"rpc", call.first}, {"code", call.second}}, count);
  }
  out.Begin("remora_events_total", Type::kCounter, "What GET /events tells, by kind.");
  for (const auto& [kind, count] : input.events) out.Sample({{"kind", kind}}, count);
  out.Begin("remora_access_log_lines_total", Type::kCounter, "Lines that were written.");
  out.Sample({}, input.access_lines);
  out.Begin("remora_access_log_dropped_total", Type::kCounter,
            "Lines that were lost, as nobody took them fast enough.");
  out.Sample({}, input.access_dropped);
}

void RenderReloads(const MetricsInput& input, Exposition& out) {
  out.Begin("remora_config_reloads_total", Type::kCounter, "Attempts to read the file again.");
  out.Sample({{"result", "success"}}, input.reloads.successes);
  out.Sample({{"result", "failure"}}, input.reloads.failures);
  out.Begin("remora_config_last_reload_successful", Type::kGauge, "1 if the file is in effect.");
  out.Sample({}, std::uint64_t{input.reloads.last_ok});
  out.Begin("remora_config_last_reload_success_timestamp_seconds", Type::kGauge,
            "When the configuration in effect was read.");
  out.Sample(
      {},
      std::chrono::duration<double>(input.reloads.last_success_time.time_since_epoch()).count());
}

void RenderProcess(const MetricsInput& input, Exposition& out) {
  out.Begin("remora_build_info", Type::kGauge, "Always 1; what runs is in the labels.");
  out.Sample({{"version", input.version}, {"commit", input.commit}}, std::uint64_t{1});
  out.Begin("process_cpu_seconds_total", Type::kCounter, "CPU time, user and system.");
  out.Sample({}, input.process.cpu_seconds);
  out.Begin("process_resident_memory_bytes", Type::kGauge, "Resident memory.");
  out.Sample({}, input.process.resident_bytes);
  out.Begin("process_open_fds", Type::kGauge, "Open descriptors.");
  out.Sample({}, input.process.open_fds);
  out.Begin("process_max_fds", Type::kGauge, "Limit on open descriptors.");
  out.Sample({}, input.process.max_fds);
  out.Begin("process_start_time_seconds", Type::kGauge, "Start of the process, since 1970.");
  out.Sample({}, input.process.start_time);
}

// Field `index`, counted from 1 as in proc(5); the second one, in brackets, may hold blanks.
double StatField(const std::string& stat, int index) {
  std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
  std::string field;
  for (int i = 3; i <= index && fields >> field; ++i) {
  }
  return field.empty() ? 0 : std::stod(field);
}

double BootTime() {
  std::ifstream file("/proc/stat");
  std::string key;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    double value = 0;
    if (words >> key >> value && key == "btime") return value;
  }
  return 0;
}

}  // namespace

std::string_view ContentType(MetricsFormat format) {
  return format == MetricsFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

MetricsFormat FormatFor(std::string_view accept) {
  return accept.find("application/openmetrics-text") == std::string_view::npos
             ? MetricsFormat::kText
             : MetricsFormat::kOpenMetrics;
}

ProcessStats ReadProcessStats() {
  ProcessStats stats;
  std::ifstream file("/proc/self/stat");
  std::string stat;
  std::getline(file, stat);
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  stats.cpu_seconds = (StatField(stat, 14) + StatField(stat, 15)) / ticks;
  stats.start_time = BootTime() + StatField(stat, 22) / ticks;
  stats.resident_bytes = static_cast<std::uint64_t>(StatField(stat, 24)) *
                         static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::error_code ignored;
  for (std::filesystem::directory_iterator fd("/proc/self/fd", ignored), end; fd != end;
       fd.increment(ignored)) {
    ++stats.open_fds;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.max_fds = limit.rlim_cur;
  return stats;
}

std::string RenderMetrics(const MetricsInput& input, MetricsFormat format) {
  Exposition out(format == MetricsFormat::kOpenMetrics);
  RenderPools(input, out);
  RenderServerCounters(input, out);
  RenderServerStates(input, out);
  RenderConnections(input, out);
  RenderLimits(input, out);
  RenderControl(input, out);
  RenderReloads(input, out);
  RenderProcess(input, out);
  return out.Finish();
}

}  // namespace remora::server
