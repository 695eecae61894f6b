#include "proxy/observe/metrics.h"

#include <utility>

namespace remora::proxy {
namespace {

void AddPool(const PoolCounters& counters, PoolValues& values) {
  AddTo(values.requests, counters.requests);
  values.duration += counters.duration.Get();
  for (std::size_t kind = 0; kind < kErrorKindCount; ++kind) {
    values.errors[kind] += counters.errors[kind].Get();
    values.retries[kind] += counters.retries[kind].Get();
  }
  values.bytes_in += counters.bytes_in.Get();
  values.bytes_out += counters.bytes_out.Get();
}

}  // namespace

Metrics::Metrics(std::vector<std::string> pools, std::size_t workers)
    : pools_(std::move(pools)), servers_(workers) {
  for (std::size_t i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<WorkerCounters>(pools_.size()));
  }
}

MetricsValues Metrics::Collect(TimePoint now) {
  MetricsValues values;
  for (const std::string& pool : pools_) values.pools.emplace_back().pool = pool;
  for (const auto& worker : workers_) {
    for (std::size_t i = 0; i < pools_.size(); ++i) AddPool(worker->pools[i], values.pools[i]);
    const ConnectionCounters& connections = worker->connections;
    values.downstream_accepted += connections.downstream_accepted.Get();
    values.upstream_opened += connections.upstream_opened.Get();
    values.upstream_idle += connections.upstream_idle.Get();
    values.upstream_active += connections.upstream_active.Get();
  }
  values.servers = servers_.Collect(now);
  return values;
}

}  // namespace remora::proxy
