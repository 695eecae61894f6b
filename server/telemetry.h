// What the process tells of itself in numbers: it samples the counters of the data plane every few
// seconds, so that rates and quantiles of the last minute can be had, and gathers all there is for
// a scrape.
//
// Threads: constructed, started and stopped on the control thread; Recent from any thread, Collect
// on the control thread. Lifetime: what it is made with outlives it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/net/loop.h"
#include "proxy/observe/access_log.h"
#include "proxy/proxy.h"
#include "server/admin/metrics.h"

namespace remora::server {

// A server's counts since the start, and what it did in the last minute or since it is there.
struct RecentValues {
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;  // picks without an answer, and answers of 5xx
  bool measured = false;       // there was an answer in the last minute
  double p50_ms = 0;           // from the pick to the head of the answer
  double p99_ms = 0;
};

// Samples of counters, and the differences between them. Pure.
class SampleWindow {
 public:
  static constexpr std::size_t kSamples = 13;  // a minute of steps of 5 s

  void Add(std::vector<proxy::ServerTable::Row> rows);
  // Of the newest sample against the oldest.
  std::map<std::pair<std::string, std::string>, RecentValues> Values() const;

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
  // Of the server of this name in its pool.
  RecentValues Recent(std::string_view pool, std::string_view server) const
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void TakeSample() ABSL_LOCKS_EXCLUDED(mu_);
  void Wait();

  proxy::Proxy& proxy_;
  const proxy::AccessLog* const access_log_;
  proxy::net::Timer timer_;
  SampleWindow window_;
  mutable absl::Mutex mu_;
  std::map<std::pair<std::string, std::string>, RecentValues> recent_ ABSL_GUARDED_BY(mu_);
};

}  // namespace remora::server
