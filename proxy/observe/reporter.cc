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
  ServerSlot* const slot = record.counters == nullptr ? nullptr : &record.counters->slot(worker_);
  auto& requests = slot == nullptr ? counters_.requests : slot->requests;
  requests[CodeClassLabel(record.status)][MethodLabel(record.method)].Add();
  const bool upstream_failed = record.error && record.error->side == Side::kUpstream;
  if (slot != nullptr && (upstream_failed || record.status >= 500)) slot->failed_requests.Add();
  counters_.duration.Observe(record.end - record.begin);
  if (record.error) counters_.errors[static_cast<std::size_t>(record.error->kind)].Add();
  counters_.bytes_in.Add(record.bytes_in);
  counters_.bytes_out.Add(record.bytes_out);
  if (access_log_ != nullptr) access_log_->Add(pool_, record);
}

}  // namespace remora::proxy
