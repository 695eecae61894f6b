// Registry::ReportHealth: what probes and name look-ups found.
#include <algorithm>
#include <string>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/registry/registry.h"

namespace remora::proxy {

void Registry::ReportHealth(std::string_view uid, const HealthReport& report) {
  HealthOutcome outcome;
  {
    absl::MutexLock lock(&mu_);
    NoteHealth(uid, report, outcome);
    if (!outcome.changes.empty()) Publish();
  }
  TellHealth(outcome);
}

void Registry::ReportHealth(std::span<const HealthFinding> findings) {
  HealthOutcome outcome;
  {
    absl::MutexLock lock(&mu_);
    for (const HealthFinding& finding : findings) NoteHealth(finding.uid, finding.report, outcome);
    if (!outcome.changes.empty()) Publish();
  }
  TellHealth(outcome);
}

void Registry::NoteHealth(std::string_view uid, const HealthReport& report,
                          HealthOutcome& outcome) {
  const auto key = key_of_uid_.find(std::string(uid));
  if (key == key_of_uid_.end()) return;
  Record& record = live_.at(key->second);
  ServerView& view = record.view;
  if (report.last_probe) {
    outcome.first_probe |= !view.last_probe;
    view.last_probe = report.last_probe;
  }
  view.consecutive_failures = report.consecutive_failures;
  view.reason = report.reason;
  record.health = report.state;
  if (view.drained || view.state == report.state) return;
  const ServerState before = std::exchange(view.state, report.state);
  view.revision = ++revision_;
  outcome.changes.push_back({.server = view, .before = before});
}

void Registry::TellHealth(const HealthOutcome& outcome) {
  if (outcome.changes.empty() && !outcome.first_probe) return;
  Notify();
  const log::Together together;
  for (const HealthChange& change : outcome.changes) {
    const ServerView& server = change.server;
    Tell("health", server, StateName(change.before), StateName(server.state), server.reason);
  }
}

// From the last on: they are probed in their order, so that one that waits is mostly found at once.
bool Registry::AwaitsFirstProbe(std::string_view owner) const {
  absl::MutexLock lock(&mu_);
  return std::any_of(live_.rbegin(), live_.rend(), [owner](const auto& entry) {
    const ServerView& view = entry.second.view;
    return view.state == ServerState::kWarming && !view.last_probe && view.owner == owner;
  });
}

}  // namespace remora::proxy
