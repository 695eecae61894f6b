#include "proxy/registry/registry.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "proxy/base/abseil.h"
#include "proxy/base/status.h"

namespace remora::proxy {
namespace {

constexpr std::uint32_t kMaxWeight = 1000;
constexpr std::uint32_t kMaxActive = 1'000'000;
constexpr std::size_t kMaxLabels = 64;
constexpr std::size_t kMaxLabelKey = 63;
constexpr std::size_t kMaxLabelValue = 256;
// Of a caller's text in a message.
constexpr std::size_t kMaxShown = 100;

// 128 random bits: unique for all time, not a secret. From the kernel: std::random_device looks for
// an instruction each time it is made, which in a virtual machine took 9 of the 75 ms for 1,000.
std::string NewUid() {
  std::array<std::uint32_t, 4> random{};
  // So few bytes come whole.
  if (getrandom(random.data(), sizeof(random), 0) != sizeof(random)) std::abort();
  return absl::StrFormat("%08x%08x%08x%08x", random[0], random[1], random[2], random[3]);
}

std::string PoolOrDefault(std::string_view pool) {
  return pool.empty() ? std::string("default") : std::string(pool);
}

std::vector<FieldViolation> CheckSpec(const ServerSpec& spec) {
  std::vector<FieldViolation> violations;
  if (spec.weight < 1 || spec.weight > kMaxWeight) {
    violations.push_back(
        {"spec.weight", absl::StrCat(spec.weight, " is out of range; allowed are 1 to 1000")});
  }
  if (spec.max_active > kMaxActive) {
    violations.push_back(
        {"spec.max_active",
         absl::StrCat(spec.max_active, " is out of range; allowed are 0 (no limit) to 1000000")});
  }
  return violations;
}

void CheckLabels(const ServerSpec& spec, std::vector<FieldViolation>& violations) {
  if (spec.labels.size() > kMaxLabels) {
    violations.push_back({"spec.labels", absl::StrCat("has ", spec.labels.size(),
                                                      " entries; at most 64 are allowed")});
    return;
  }
  for (const auto& [key, value] : spec.labels) {
    if (std::string problem = LabelProblem(key, value); !problem.empty()) {
      violations.push_back({"spec.labels", std::move(problem)});
    }
  }
}

// Before anything is looked up: what is not an id can't be there, and may be of any length.
absl::Status CheckId(std::string_view id) {
  if (ValidId(id)) return absl::OkStatus();
  return InvalidFields(
      {{"id", id.empty() ? "must not be empty; ListServers shows the ids"
                         : "must be 1 to 63 of a-z, 0-9 and '-', with neither first nor last a "
                           "'-'; ListServers shows the ids"}});
}

// Another address would be another server: its connections, its health and its uid are bound to it.
void CheckSameUrl(std::string_view given, std::string_view present,
                  std::vector<FieldViolation>& violations) {
  const auto url = ParseBackendUrl(given);
  if (!url.ok()) {
    violations.push_back({"spec.url", std::string(url.status().message())});
  } else if (url->ToString() != present) {
    violations.push_back(
        {"spec.url", absl::StrFormat("can't be changed (it is %s); remove the server and add it "
                                     "with the new url, or add a second one",
                                     Shown(present, 2 * kMaxShown))});
  }
}

absl::Status NotFound(const std::pair<std::string, std::string>& key) {
  return MakeStatus(absl::StatusCode::kNotFound, "SERVER_NOT_FOUND",
                    absl::StrFormat("no server '%s' in pool '%s'; ListServers shows what is there",
                                    key.second, key.first));
}

}  // namespace

std::string_view StateName(ServerState state) {
  switch (state) {
    case ServerState::kWarming:
      return "WARMING";
    case ServerState::kActive:
      return "ACTIVE";
    case ServerState::kUnhealthy:
      return "UNHEALTHY";
    case ServerState::kDraining:
      return "DRAINING";
  }
  return "WARMING";
}

std::string LabelProblem(std::string_view key, std::string_view value) {
  const std::string name = "'" + Shown(key, kMaxLabelKey) + "': ";
  if (key.empty() || key.size() > kMaxLabelKey) return name + "a key must have 1 to 63 bytes";
  if (!IsUtf8(key)) return name + "the key is not UTF-8";
  if (value.size() > kMaxLabelValue) return name + "the value must have at most 256 bytes";
  if (!IsUtf8(value)) return name + "the value is not UTF-8";
  return {};
}

Registry::Registry(std::vector<std::string> pools, BackendEvents* events,
                   RegistryObservation observation)
    : pools_(std::move(pools)), events_(events), observation_(observation) {
  absl::MutexLock lock(&mu_);
  Publish();
}

absl::StatusOr<Registry::Key> Registry::KeyOf(std::string_view pool_name,
                                              std::string_view id) const {
  if (absl::Status status = CheckId(id); !status.ok()) return status;
  std::string pool = PoolOrDefault(pool_name);
  if (absl::Status status = CheckPool(pool); !status.ok()) return status;
  return Key(std::move(pool), id);
}

absl::Status Registry::CheckDrainTimeout(std::optional<std::chrono::milliseconds> timeout) {
  if (!timeout || (*timeout >= std::chrono::milliseconds(0) && *timeout <= kMaxDrain)) {
    return absl::OkStatus();
  }
  return InvalidFields({{"drain_timeout", "allowed are 0 s to 1 h"}});
}

absl::StatusOr<Registry::Checked> Registry::Check(std::string_view pool_name,
                                                  std::string_view given_id,
                                                  ServerSpec spec) const {
  std::string pool = PoolOrDefault(pool_name);
  if (absl::Status status = CheckPool(pool); !status.ok()) return status;
  std::vector<FieldViolation> violations = CheckSpec(spec);
  auto url = ParseBackendUrl(spec.url);
  if (!url.ok()) violations.push_back({"spec.url", std::string(url.status().message())});
  if (!given_id.empty() && !ValidId(given_id)) {
    violations.push_back({"id",
                          "must be 1 to 63 of a-z, 0-9 and '-', with neither first nor last a "
                          "'-'; leave it empty to have it made from the url"});
  }
  CheckLabels(spec, violations);  // last: there may be many
  if (!violations.empty()) return InvalidFields(violations);
  spec.url = url->ToString();
  std::string id = given_id.empty() ? DeriveId(*url) : std::string(given_id);
  return Checked{.key = {std::move(pool), std::move(id)}, .spec = std::move(spec), .url = *url};
}

absl::StatusOr<AddResult> Registry::Add(std::string_view pool_name, std::string_view given_id,
                                        ServerSpec given_spec, std::string_view owner) {
  absl::StatusOr<Checked> checked = Check(pool_name, given_id, std::move(given_spec));
  if (!checked.ok()) return checked.status();
  const auto& [key, spec, url] = *checked;

  AddResult result;
  {
    absl::MutexLock lock(&mu_);
    if (const auto found = live_.find(key); found != live_.end()) {
      if (found->second.view.spec == spec) {
        return AddResult{.server = Copy(found->second), .created = false};
      }
      return MakeStatus(
          absl::StatusCode::kAlreadyExists, "SERVER_ALREADY_EXISTS",
          absl::StrFormat("server '%s' of pool '%s' exists with another spec (url %s, weight %d, "
                          "max_active %d); remove it first or choose another id",
                          key.second, key.first, Shown(found->second.view.spec.url, 2 * kMaxShown),
                          found->second.view.spec.weight, found->second.view.spec.max_active));
    }
    if (live_.size() + draining_.size() >= kMaxServers) {
      return MakeStatus(absl::StatusCode::kResourceExhausted, "REGISTRY_FULL",
                        absl::StrCat("the registry holds ", kMaxServers,
                                     " servers, its limit; remove some first"));
    }
    result = {.server = Copy(Insert(*std::move(checked), owner)), .created = true};
    Publish();
  }
  Notify();
  Tell("server", result.server, "", StateName(result.server.state),
       absl::StrCat("added by ", ToAbsl(owner)));
  return result;
}

const Registry::Record& Registry::Insert(Checked checked, std::string_view owner) {
  Record record;
  record.view.pool = checked.key.first;
  record.view.id = checked.key.second;
  record.view.uid = NewUid();
  record.view.owner = std::string(owner);
  record.view.spec = std::move(checked.spec);
  record.view.reason = "waiting for the first probe";
  record.view.revision = ++revision_;
  record.view.created = WallClock::now();
  std::shared_ptr<ServerCounters> counters;
  if (observation_.counters != nullptr) {
    counters = observation_.counters->Add(record.view.pool, record.view.id, Clock::now());
  }
  record.backend = std::make_shared<Backend>(record.view.pool, record.view.id, record.view.uid,
                                             std::move(checked.url), events_, std::move(counters));
  key_of_uid_.emplace(record.view.uid, checked.key);
  ++members_;
  return live_.emplace(std::move(checked.key), std::move(record)).first->second;
}

absl::StatusOr<RemoveResult> Registry::Remove(
    std::string_view pool_name, std::string_view id,
    std::optional<std::chrono::milliseconds> drain_timeout) {
  const absl::StatusOr<Key> key = KeyOf(pool_name, id);
  if (!key.ok()) return key.status();
  if (absl::Status status = CheckDrainTimeout(drain_timeout); !status.ok()) return status;
  RemoveResult result;
  ServerState before = ServerState::kDraining;
  {
    absl::MutexLock lock(&mu_);
    if (const auto found = live_.find(*key); found != live_.end()) {
      before = found->second.view.state;
      result.server = StartDrain(found, drain_timeout);
      Publish();
    } else {
      // What is published stays as it is. Observers are told of deadlines that came nearer.
      const bool shortened = drain_timeout && ShortenDrains(*key, *drain_timeout);
      const Record* last = LastDraining(*key);
      if (last == nullptr) return NotFound(*key);
      result = {.server = Copy(*last), .was_draining = true};
      if (!shortened) return result;
    }
  }
  Notify();
  Tell("drain", result.server, StateName(before), StateName(ServerState::kDraining),
       result.was_draining ? "the deadline was shortened" : "removed");
  return result;
}

ServerView Registry::StartDrain(std::map<Key, Record>::iterator live,
                                std::optional<std::chrono::milliseconds> drain_timeout) {
  Record record = std::move(live->second);
  live_.erase(live);
  key_of_uid_.erase(record.view.uid);
  ++members_;
  const std::uint32_t running = record.backend->admission().Close();
  record.view.state = ServerState::kDraining;
  record.view.reason = "removed; running requests finish";
  record.view.revision = ++revision_;
  if (!std::exchange(record.view.drained, false)) {
    SetDrainDeadline(record, drain_timeout.value_or(kDefaultDrain));
  } else if (drain_timeout) {
    Shorten(record, *drain_timeout);
  }
  ServerView view = Copy(record);
  // With none running nobody will report it drained: it is.
  if (running != 0) draining_.emplace(record.view.uid, std::move(record));
  return view;
}

bool Registry::ShortenDrains(const Key& key, std::chrono::milliseconds drain_timeout) {
  bool shortened = false;
  for (auto& [uid, record] : draining_) {
    if (!IsOf(record, key)) continue;
    if (!Shorten(record, drain_timeout)) continue;
    record.view.revision = ++revision_;
    shortened = true;
  }
  return shortened;
}

bool Registry::Shorten(Record& record, std::chrono::milliseconds drain_timeout) {
  if (Clock::now() + drain_timeout >= record.drain_deadline) return false;
  SetDrainDeadline(record, drain_timeout);
  return true;
}

void Registry::SetDrainDeadline(Record& record, std::chrono::milliseconds drain_timeout) {
  record.view.drain_deadline = WallClock::now() + drain_timeout;
  record.drain_deadline = Clock::now() + drain_timeout;
}

const Registry::Record* Registry::LastDraining(const Key& key) const {
  const Record* last = nullptr;
  for (const auto& [uid, record] : draining_) {
    if (!IsOf(record, key)) continue;
    if (last == nullptr || record.view.created > last->view.created) last = &record;
  }
  return last;
}

absl::StatusOr<Registry::Record*> Registry::FindLive(const Key& key) {
  if (const auto found = live_.find(key); found != live_.end()) return &found->second;
  if (LastDraining(key) == nullptr) return NotFound(key);
  return MakeStatus(
      absl::StatusCode::kFailedPrecondition, "SERVER_REMOVED",
      absl::StrFormat("server '%s' of pool '%s' was removed and only finishes its last requests; "
                      "add it again if it should take traffic",
                      key.second, key.first));
}

absl::StatusOr<ServerView> Registry::Drain(std::string_view pool_name, std::string_view id,
                                           std::optional<std::chrono::milliseconds> drain_timeout) {
  const absl::StatusOr<Key> key = KeyOf(pool_name, id);
  if (!key.ok()) return key.status();
  if (absl::Status status = CheckDrainTimeout(drain_timeout); !status.ok()) return status;
  ServerView result;
  ServerState before{};
  {
    absl::MutexLock lock(&mu_);
    const absl::StatusOr<Record*> found = FindLive(*key);
    if (!found.ok()) return found.status();
    Record& record = **found;
    before = record.view.state;
    if (record.view.drained) {
      if (!drain_timeout || !Shorten(record, *drain_timeout)) return Copy(record);
    } else {
      record.backend->admission().Suspend();
      record.view.drained = true;
      record.view.state = ServerState::kDraining;
      SetDrainDeadline(record, drain_timeout.value_or(kDefaultDrain));
    }
    record.view.revision = ++revision_;
    Publish();
    result = Copy(record);
  }
  Notify();
  Tell("drain", result, StateName(before), StateName(result.state),
       before == result.state ? "the deadline was shortened" : "drained by an operator");
  return result;
}

absl::StatusOr<ServerView> Registry::Undrain(std::string_view pool_name, std::string_view id) {
  const absl::StatusOr<Key> key = KeyOf(pool_name, id);
  if (!key.ok()) return key.status();
  ServerView result;
  {
    absl::MutexLock lock(&mu_);
    const absl::StatusOr<Record*> found = FindLive(*key);
    if (!found.ok()) return found.status();
    Record& record = **found;
    if (!record.view.drained) return Copy(record);
    record.view.drained = false;
    record.view.state = record.health;
    record.view.drain_deadline.reset();
    record.view.revision = ++revision_;
    // Before it is published as eligible: else a pick could find all of a pool closed.
    record.backend->admission().Resume();
    Publish();
    result = Copy(record);
  }
  Notify();
  Tell("drain", result, StateName(ServerState::kDraining), StateName(result.state),
       "undrained by an operator");
  return result;
}

absl::StatusOr<UpdateResult> Registry::Update(std::string_view pool_name, std::string_view id,
                                              SpecChange change) {
  const absl::StatusOr<Key> key = KeyOf(pool_name, id);
  if (!key.ok()) return key.status();
  UpdateResult result;
  {
    absl::MutexLock lock(&mu_);
    const absl::StatusOr<Record*> found = FindLive(*key);
    if (!found.ok()) return found.status();
    Record& record = **found;
    ServerSpec spec = record.view.spec;
    if (change.weight) spec.weight = *change.weight;
    if (change.max_active) spec.max_active = *change.max_active;
    if (change.labels) spec.labels = *std::move(change.labels);
    std::vector<FieldViolation> violations = CheckSpec(spec);
    if (change.url) CheckSameUrl(*change.url, spec.url, violations);
    CheckLabels(spec, violations);
    if (!violations.empty()) return InvalidFields(violations);
    if (spec == record.view.spec) return UpdateResult{.server = Copy(record)};
    record.view.spec = std::move(spec);
    record.view.revision = ++revision_;
    Publish();
    result = {.server = Copy(record), .changed = true};
  }
  Notify();
  Tell("server", result.server, "", "", "its spec was changed");
  return result;
}

absl::StatusOr<ServerView> Registry::Get(std::string_view pool_name, std::string_view id) const {
  const absl::StatusOr<Key> key = KeyOf(pool_name, id);
  if (!key.ok()) return key.status();
  absl::MutexLock lock(&mu_);
  if (const auto found = live_.find(*key); found != live_.end()) return Copy(found->second);
  if (const Record* last = LastDraining(*key)) return Copy(*last);
  return NotFound(*key);
}

absl::StatusOr<ListPage> Registry::List(std::string_view pool,
                                        const std::optional<ListCursor>& after,
                                        std::size_t limit) const {
  if (!pool.empty()) {
    if (absl::Status status = CheckPool(pool); !status.ok()) return status;
  }
  absl::MutexLock lock(&mu_);
  std::vector<const Record*> records;
  const auto take = [&](const Record& record) {
    const ServerView& view = record.view;
    if (!pool.empty() && view.pool != pool) return;
    if (after &&
        std::tie(view.pool, view.id, view.uid) <= std::tie(after->pool, after->id, after->uid)) {
      return;
    }
    records.push_back(&record);
  };
  for (const auto& [key, record] : live_) take(record);
  for (const auto& [uid, record] : draining_) take(record);
  std::ranges::sort(records, [](const Record* a, const Record* b) {
    return std::tie(a->view.pool, a->view.id, a->view.uid) <
           std::tie(b->view.pool, b->view.id, b->view.uid);
  });
  ListPage page{.servers = {}, .more = records.size() > limit, .revision = revision_};
  for (const Record* record : records) {
    if (page.servers.size() == limit) break;
    page.servers.push_back(Copy(*record));
  }
  return page;
}

std::vector<PoolTotals> Registry::Totals() const {
  std::vector<PoolTotals> totals;
  for (const std::string& pool : pools_) totals.push_back({.pool = pool});
  absl::MutexLock lock(&mu_);
  const auto count = [&](const Record& record) {
    PoolTotals& pool = totals[*PoolIndex(record.view.pool)];
    switch (record.view.state) {
      case ServerState::kWarming:
        ++pool.warming;
        break;
      case ServerState::kActive:
        ++pool.active;
        break;
      case ServerState::kUnhealthy:
        ++pool.unhealthy;
        break;
      case ServerState::kDraining:
        ++pool.draining;
        break;
    }
    pool.active_requests += record.backend->admission().Load().active();
  };
  for (const auto& [key, record] : live_) count(record);
  for (const auto& [uid, record] : draining_) count(record);
  return totals;
}

std::shared_ptr<const Snapshot> Registry::snapshot() const {
  absl::MutexLock lock(&mu_);
  return snapshot_;
}

std::optional<std::size_t> Registry::PoolIndex(std::string_view name) const {
  const auto found = std::ranges::find(pools_, name);
  if (found == pools_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - pools_.begin());
}

void Registry::EraseDrained(std::string_view uid) {
  ServerView erased;
  {
    absl::MutexLock lock(&mu_);
    const auto found = draining_.find(std::string(uid));
    if (found == draining_.end()) return;
    erased = std::move(found->second.view);
    draining_.erase(found);
    ++revision_;
    ++members_;
    Publish();
  }
  Notify();
  Tell("drain", erased, StateName(ServerState::kDraining), "", "its last request has ended");
}

std::vector<Registry::Draining> Registry::DrainingBackends() const {
  std::vector<Draining> backends;
  absl::MutexLock lock(&mu_);
  for (const auto& [uid, record] : draining_) {
    backends.push_back({.backend = record.backend, .deadline = record.drain_deadline});
  }
  for (const auto& [key, record] : live_) {
    if (!record.view.drained || record.backend->admission().Load().active() == 0) continue;
    backends.push_back({.backend = record.backend, .deadline = record.drain_deadline});
  }
  return backends;
}

std::uint64_t Registry::Subscribe(Observer observer) {
  absl::MutexLock lock(&observers_mu_);
  observers_.emplace(next_observer_, std::move(observer));
  return next_observer_++;
}

void Registry::Unsubscribe(std::uint64_t id) {
  absl::MutexLock lock(&observers_mu_);
  observers_.erase(id);
}

ServerView Registry::Copy(const Record& record) {
  ServerView view = record.view;
  view.active = record.backend->admission().Load().active();
  if (view.drained) view.reason = "drained by an operator; " + view.reason;
  return view;
}

absl::Status Registry::CheckPool(std::string_view pool) const {
  if (PoolIndex(pool)) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kNotFound, "POOL_NOT_FOUND",
                    absl::StrFormat("no pool '%s'; the configuration has: %s",
                                    Shown(pool, kMaxShown), absl::StrJoin(pools_, ", ")));
}

void Registry::Publish() {
  auto next = std::make_shared<Snapshot>();
  next->revision = revision_;
  next->members = members_;
  std::vector<std::shared_ptr<BackendSet>> sets;
  for (std::size_t i = 0; i < pools_.size(); ++i) sets.push_back(std::make_shared<BackendSet>());
  for (const auto& [key, record] : live_) {
    BackendSet& set = *sets[*PoolIndex(key.first)];
    ++set.total;
    set.backends.push_back(record.backend);
    if (record.view.state != ServerState::kActive) continue;
    set.eligible.push_back({.backend = record.backend.get(),
                            .weight = record.view.spec.weight,
                            .max_active = record.view.spec.max_active});
    set.max_weight = std::max(set.max_weight, record.view.spec.weight);
  }
  next->pools.assign(sets.begin(), sets.end());
  snapshot_ = std::move(next);
  generation_.fetch_add(1, std::memory_order_release);
}

void Registry::Tell(std::string_view kind, const ServerView& server, std::string_view from,
                    std::string_view to, std::string_view cause) const {
  if (observation_.events == nullptr) return;
  Event event;
  event.kind = kind;
  event.pool = server.pool;
  event.server = server.id;
  event.cause = cause;
  event.from = from;
  event.to = to;
  observation_.events->Add(std::move(event));
}

void Registry::Notify() {
  absl::MutexLock lock(&observers_mu_);
  for (const auto& [id, observer] : observers_) observer();
}

}  // namespace remora::proxy
