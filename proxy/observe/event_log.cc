#include "proxy/observe/event_log.h"

#include <utility>

#include "proxy/base/log.h"

namespace remora::proxy {

std::uint64_t EventLog::Add(Event event) {
  std::uint64_t id = 0;
  {
    absl::MutexLock lock(&mu_);
    id = event.id = ++last_id_;
    event.time = WallClock::now();
    ++counts_[event.kind];
    log::Info("event", {{"kind", event.kind},
                        {"pool", event.pool},
                        {"server", event.server},
                        {"from", event.from},
                        {"to", event.to},
                        {"cause", event.cause}});
    events_.push_back(std::move(event));
    if (events_.size() > kKept) events_.pop_front();
  }
  absl::MutexLock lock(&observers_mu_);
  for (const auto& [observer_id, observer] : observers_) observer();
  return id;
}

std::vector<Event> EventLog::Since(std::uint64_t id) const {
  absl::MutexLock lock(&mu_);
  std::vector<Event> events;
  for (const Event& event : events_) {
    if (event.id > id) events.push_back(event);
  }
  return events;
}

std::map<std::string, std::uint64_t> EventLog::Counts() const {
  absl::MutexLock lock(&mu_);
  return counts_;
}

std::uint64_t EventLog::Subscribe(Observer observer) {
  absl::MutexLock lock(&observers_mu_);
  observers_.emplace(next_observer_, std::move(observer));
  return next_observer_++;
}

void EventLog::Unsubscribe(std::uint64_t id) {
  absl::MutexLock lock(&observers_mu_);
  observers_.erase(id);
}

}  // namespace remora::proxy
