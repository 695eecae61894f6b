#include "proxy/observe/reporter.h"

namespace remora::proxy {

void Reporter::CountPick(ServerCounters* counters) {
  if (counters != nullptr) counters->slot(worker_).picks.Add();
}

void Reporter::CountFailure(ServerCounters* counters) {
  if (counters != nullptr) counters->slot(worker_).failures.Add();
}

void Reporter::CountAnswer(ServerCounters* counters, Duration duration) {
  if (counters != nullptr) counters->slot(worker_).duration.Observe(duration);
}

void Reporter::CountRetry(ErrorKind because) {
  counters_.retries[static_cast<std::size_t>(because)].Add();
}

void Reporter::Report(const RequestRecord& record) {
  auto& requests =
      record.counters == nullptr ? counters_.requests : record.counters->slot(worker_).requests;
  requests[CodeClassLabel(record.status)][MethodLabel(record.method)].Add();
  counters_.duration.Observe(record.end - record.begin);
  if (record.error) counters_.errors[static_cast<std::size_t>(record.error->kind)].Add();
  counters_.bytes_in.Add(record.bytes_in);
  counters_.bytes_out.Add(record.bytes_out);
  if (access_log_ != nullptr) access_log_->Add(pool_, record);
}

}  // namespace remora::proxy
