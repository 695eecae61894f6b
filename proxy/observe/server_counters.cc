#include "proxy/observe/server_counters.h"

#include <algorithm>
#include <iterator>

namespace remora::proxy {

std::size_t MethodLabel(std::string_view method) {
  const auto* const last = kMethodLabels.end() - 1;
  return static_cast<std::size_t>(std::find(kMethodLabels.begin(), last, method) -
                                  kMethodLabels.begin());
}

std::size_t CodeClassLabel(unsigned status) {
  const std::size_t label = status / 100;
  return label < kCodeClassLabels.size() ? label : 0;
}

void AddTo(ByCodeAndMethod<std::uint64_t>& sum, const ByCodeAndMethod<Counter>& counted) {
  for (std::size_t code = 0; code < counted.size(); ++code) {
    for (std::size_t method = 0; method < counted[code].size(); ++method) {
      sum[code][method] += counted[code][method].Get();
    }
  }
}

std::uint64_t ServerValues::Requests() const {
  std::uint64_t sum = 0;
  for (const auto& methods : requests) {
    for (const std::uint64_t count : methods) sum += count;
  }
  return sum;
}

ServerValues ServerCounters::Get() const {
  ServerValues values;
  for (const ServerSlot& slot : slots_) {
    AddTo(values.requests, slot.requests);
    values.failed_requests += slot.failed_requests.Get();
    values.picks += slot.picks.Get();
    values.failures += slot.failures.Get();
    values.duration += slot.duration.Get();
  }
  values.probes_passed = probes_passed_.Get();
  values.probes_failed = probes_failed_.Get();
  return values;
}

std::shared_ptr<ServerCounters> ServerTable::Add(std::string_view pool, std::string_view id,
                                                 TimePoint now) {
  absl::MutexLock lock(&mu_);
  Key key(pool, id);
  if (!entries_.contains(key)) {
    if (entries_.size() >= kMaxServers) ForgetUnused(now);
    if (entries_.size() >= kMaxServers) key.second = kOther;
  }
  Entry& entry = entries_[key];
  if (entry.counters == nullptr) entry.counters = std::make_shared<ServerCounters>(workers_);
  entry.last_used = now;
  return entry.counters;
}

std::vector<ServerTable::Row> ServerTable::Collect(TimePoint now) {
  absl::MutexLock lock(&mu_);
  ForgetUnused(now);
  std::vector<Row> rows;
  rows.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) {
    rows.push_back({.pool = key.first, .server = key.second, .values = entry.counters->Get()});
  }
  return rows;
}

std::optional<ServerValues> ServerTable::Get(std::string_view pool, std::string_view id) const {
  absl::MutexLock lock(&mu_);
  const auto found = entries_.find(Key(pool, id));
  if (found == entries_.end()) return std::nullopt;
  return found->second.counters->Get();
}

void ServerTable::ForgetUnused(TimePoint now) {
  for (auto item = entries_.begin(); item != entries_.end();) {
    Entry& entry = item->second;
    if (entry.counters.use_count() > 1) entry.last_used = now;
    item = now - entry.last_used >= kKept ? entries_.erase(item) : std::next(item);
  }
}

}  // namespace remora::proxy
