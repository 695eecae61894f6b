// Everything the data plane counts, in one place: what each worker writes, and the sums that are
// read off.
//
// Thread rule: a WorkerCounters has one writer, its worker; Collect may be called from any thread.
// Lifetime: outlives the registry and the workers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/error.h"
#include "proxy/observe/histogram.h"
#include "proxy/observe/server_counters.h"

namespace remora::proxy {

// What one worker counts of a pool.
struct alignas(64) PoolCounters {
  ByCodeAndMethod<Counter> requests;  // that never came to a server
  Histogram duration;                 // of all requests, first byte to last
  std::array<Counter, kErrorKindCount> errors;
  std::array<Counter, kErrorKindCount> retries;  // by what made them necessary
  Counter bytes_in;
  Counter bytes_out;
};

// What one worker counts of its connections.
struct ConnectionCounters {
  Counter downstream_accepted;
  Counter upstream_opened;
  Level upstream_idle;
  Level upstream_active;  // lent to a request
};

struct alignas(64) WorkerCounters {
  explicit WorkerCounters(std::size_t pool_count) : pools(pool_count) {}

  std::vector<PoolCounters> pools;
  ConnectionCounters connections;
};

struct PoolValues {
  std::string pool;
  ByCodeAndMethod<std::uint64_t> requests{};
  HistogramValues duration;
  std::array<std::uint64_t, kErrorKindCount> errors{};
  std::array<std::uint64_t, kErrorKindCount> retries{};
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

struct MetricsValues {
  std::vector<PoolValues> pools;
  std::vector<ServerTable::Row> servers;
  std::uint64_t downstream_accepted = 0;
  std::uint64_t upstream_opened = 0;
  std::uint64_t upstream_idle = 0;
  std::uint64_t upstream_active = 0;
};

class Metrics {
 public:
  Metrics(std::vector<std::string> pools, std::size_t workers);

  WorkerCounters& worker(std::size_t index) { return *workers_[index]; }
  ServerTable& servers() { return servers_; }
  MetricsValues Collect(TimePoint now);

 private:
  const std::vector<std::string> pools_;
  std::vector<std::unique_ptr<WorkerCounters>> workers_;
  ServerTable servers_;
};

}  // namespace remora::proxy
