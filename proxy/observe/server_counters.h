// What is counted of one server: a slot for each worker, so that counting needs no lock and shares
// no cache line, and the table in which they live on for a while when their server is gone.
//
// Thread rule: each slot has one writer, its worker (probes: the control thread); reading from any
// thread. ServerTable is thread-safe. Lifetime: shared by the backend, requests and the table.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/clock.h"
#include "proxy/observe/counter.h"
#include "proxy/observe/histogram.h"

namespace remora::proxy {

// Labels of remora_requests_total. Another method than these is "other", so that a client can't
// make series.
inline constexpr std::array<std::string_view, 8> kMethodLabels{
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "other"};
// "none": the client left before there was an answer.
inline constexpr std::array<std::string_view, 6> kCodeClassLabels{"none", "1xx", "2xx",
                                                                  "3xx",  "4xx", "5xx"};
std::size_t MethodLabel(std::string_view method);
std::size_t CodeClassLabel(unsigned status);

template <class T>
using ByCodeAndMethod = std::array<std::array<T, kMethodLabels.size()>, kCodeClassLabels.size()>;

// Adds what one worker has counted to the sum of all.
void AddTo(ByCodeAndMethod<std::uint64_t>& sum, const ByCodeAndMethod<Counter>& counted);

// What one worker counts of a server.
struct alignas(64) ServerSlot {
  ByCodeAndMethod<Counter> requests;  // that ended, by what the client got
  Counter failed_requests;            // of them: no whole answer came, or it was a 5xx
  Counter picks;
  Counter failures;    // picks that brought no answer
  Histogram duration;  // from the pick to the head of the answer
};

struct ServerValues {
  ByCodeAndMethod<std::uint64_t> requests{};
  std::uint64_t failed_requests = 0;
  std::uint64_t picks = 0;
  std::uint64_t failures = 0;
  HistogramValues duration;
  std::uint64_t probes_passed = 0;
  std::uint64_t probes_failed = 0;

  std::uint64_t Requests() const;
};

class ServerCounters {
 public:
  explicit ServerCounters(std::size_t workers) : slots_(workers) {}

  ServerSlot& slot(std::size_t worker) { return slots_[worker]; }
  void CountProbe(bool passed) { (passed ? probes_passed_ : probes_failed_).Add(); }
  ServerValues Get() const;

 private:
  std::vector<ServerSlot> slots_;
  Counter probes_passed_;  // written on the control thread
  Counter probes_failed_;
};

class ServerTable {
 public:
  // Servers with series of their own; those added beyond share the series `kOther` of their pool.
  static constexpr std::size_t kMaxServers = 2000;
  static constexpr std::string_view kOther = "_other";
  // So long a removed server is still shown, for the last scrape to see its last requests.
  static constexpr std::chrono::minutes kKept{10};

  explicit ServerTable(std::size_t workers) : workers_(workers) {}

  // A server that comes back under its name within kKept goes on counting where it was.
  std::shared_ptr<ServerCounters> Add(std::string_view pool, std::string_view id, TimePoint now)
      ABSL_LOCKS_EXCLUDED(mu_);

  struct Row {
    std::string pool;
    std::string server;
    ServerValues values;
  };
  // Ordered by pool and server. Forgets what nobody has used for kKept, as seen by the calls.
  std::vector<Row> Collect(TimePoint now) ABSL_LOCKS_EXCLUDED(mu_);
  // nullopt: nothing is counted under this name.
  std::optional<ServerValues> Get(std::string_view pool, std::string_view id) const
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    std::shared_ptr<ServerCounters> counters;
    TimePoint last_used;
  };
  using Key = std::pair<std::string, std::string>;
  void ForgetUnused(TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::size_t workers_;
  mutable absl::Mutex mu_;
  std::map<Key, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace remora::proxy
