// What the process tells of itself in numbers: it samples the counters of the data plane every few
// seconds, so that quantiles of the last minute can be had, makes events of limits that were hit,
// and gathers all there is for a scrape.
//
// Threads: that of the loop, but for CountersOf. Lifetime: what it is made with outlives it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/net/loop.h"
#include "proxy/net/timer.h"
#include "proxy/observe/access_log.h"
#include "proxy/proxy.h"
#include "server/admin/metrics.h"
#include "server/control/server_counters.h"
#include "server/limit_watch.h"

namespace remora::server {

// From the pick to the head of the answer, over roughly the last minute.
struct RecentLatency {
  proxy::Duration p50{};
  proxy::Duration p99{};
};

// Samples of counters, and what they say. Pure.
class SampleWindow {
 public:
  // Of those where something was measured, by pool and server.
  using ByServer = std::map<std::pair<std::string, std::string>, RecentLatency>;

  static constexpr std::size_t kSamples = 13;  // a minute of steps of 5 s

  void Add(std::vector<proxy::ServerTable::Row> rows);
  // Of the newest sample against the oldest.
  ByServer Values() const;

 private:
  using Sample = std::map<std::pair<std::string, std::string>, proxy::ServerValues>;
  std::deque<Sample> samples_;
};

class Telemetry {
 public:
  // `access_log` may be null.
  Telemetry(proxy::net::Loop& loop, proxy::Proxy& proxy, const proxy::AccessLog* access_log);

  void Start();
  void Stop();

  // What a scrape gets; the rest of MetricsInput is for the caller to fill in.
  MetricsInput Collect();
  // Of the server of this id in its pool: counts as they are now, quantiles at most a step old. Any
  // thread.
  std::optional<ServerCounters> CountersOf(std::string_view pool, std::string_view id) const
      ABSL_LOCKS_EXCLUDED(mu_);
  struct Row {
    std::string pool;
    std::string server;
    ServerCounters counters;
  };
  // The same of all that are counted, ordered by pool and server.
  std::vector<Row> AllCounters() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  ServerCounters CountersOf(const std::string& pool, const std::string& id,
                            const proxy::ServerValues& now) const ABSL_LOCKS_EXCLUDED(mu_);
  void TakeSample() ABSL_LOCKS_EXCLUDED(mu_);
  void TellLimits();
  void Wait();

  proxy::Proxy& proxy_;
  const proxy::AccessLog* const access_log_;
  proxy::net::Timer timer_;
  bool stopped_ = false;
  SampleWindow window_;
  LimitWatch limits_;
  mutable absl::Mutex mu_;
  SampleWindow::ByServer recent_ ABSL_GUARDED_BY(mu_);
};

}  // namespace remora::server
