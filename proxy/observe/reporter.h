// Where one worker reports what happens to the requests of one pool: it counts, and hands finished
// requests to the access log.
//
// Thread rule: its worker's. Lifetime: outlives the sessions and forwarders that report to it; what
// it is made with outlives it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "proxy/observe/access_log.h"
#include "proxy/observe/metrics.h"
#include "proxy/observe/request_record.h"

namespace remora::proxy {

class Reporter {
 public:
  // `access_log` may be null: nothing is logged.
  Reporter(std::string_view pool, std::size_t worker, PoolCounters& counters, AccessLog* access_log)
      : pool_(pool), worker_(worker), counters_(counters), access_log_(access_log) {}

  // `counters` of a backend may be null: it is not counted.
  void CountPick(ServerCounters* counters);
  void CountFailure(ServerCounters* counters);
  // From the pick to the head of the answer.
  void CountAnswer(ServerCounters* counters, Duration duration);
  void CountRetry(ErrorKind because);

  // Whether there is a log that wants what only it shows.
  bool logs() const { return access_log_ != nullptr; }
  // Once a request.
  void Report(const RequestRecord& record);

 private:
  const std::string pool_;
  const std::size_t worker_;
  PoolCounters& counters_;
  AccessLog* const access_log_;
};

}  // namespace remora::proxy
