#include "proxy/upstream/resolver.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/net/timer.h"

namespace remora::proxy {
namespace {

constexpr std::chrono::seconds kInterval{30};
constexpr std::chrono::seconds kAtLeast{1};  // between two look-ups of a name

}  // namespace

struct Resolver::Watched {
  Watched(net::Loop& loop, std::shared_ptr<Backend> watched_backend)
      : backend(std::move(watched_backend)), timer(loop) {}

  const std::shared_ptr<Backend> backend;
  net::Timer timer;
  TimePoint last_lookup;
  Duration retry = kAtLeast;  // while the name is not there; doubles up to kInterval
  bool looking_up = false;
  bool again = false;  // asked for while a look-up was under way
};

Resolver::Resolver(net::Loop& loop, Registry& registry, OnAddresses on_addresses)
    : loop_(loop), registry_(registry), on_addresses_(std::move(on_addresses)) {}

Resolver::~Resolver() { Stop(); }

void Resolver::Start() {
  lookup_ = std::make_unique<net::NameLookup>();
  changes_ = std::make_unique<ChangeListener>(
      registry_, [this](std::function<void()> task) { loop_.Post(std::move(task)); },
      [this] { Sync(); });
  Sync();
}

void Resolver::Stop() {
  changes_.reset();
  alive_.reset();
  lookup_.reset();
  watched_.clear();
  synced_.reset();
}

void Resolver::ResolveSoon(std::string_view uid) {
  const auto found = watched_.find(uid);
  if (found == watched_.end()) return;
  Watched& watched = *found->second;
  watched.again = watched.looking_up;
  if (!watched.looking_up) ScheduleNext(watched, watched.last_lookup + kAtLeast - Clock::now());
}

void Resolver::Sync() {
  const auto snapshot = registry_.snapshot();
  if (synced_ == snapshot->members) return;
  synced_ = snapshot->members;
  std::set<std::string_view> present;
  for (const auto& pool : snapshot->pools) {
    for (const auto& backend : pool->backends) {
      if (!backend->needs_resolving()) continue;
      present.insert(backend->uid());
      const auto [entry, added] = watched_.try_emplace(backend->uid());
      if (!added) continue;
      entry->second = std::make_unique<Watched>(loop_, backend);
      LookUp(*entry->second);
    }
  }
  std::erase_if(watched_, [&](const auto& entry) { return !present.contains(entry.first); });
}

void Resolver::LookUp(Watched& watched) {
  watched.looking_up = true;
  watched.again = false;
  watched.last_lookup = Clock::now();
  const BackendUrl& url = watched.backend->url();
  lookup_->Start(url.host, url.port,
                 [this, alive = std::weak_ptr<bool>(alive_),
                  uid = watched.backend->uid()](net::NameLookup::Result result) {
                   loop_.Post([this, alive, uid, result = std::move(result)] {
                     if (!alive.expired()) OnResult(uid, result);
                   });
                 });
}

void Resolver::OnResult(const std::string& uid, const net::NameLookup::Result& result) {
  const auto found = watched_.find(uid);
  if (found == watched_.end()) return;
  Watched& watched = *found->second;
  Backend& backend = *watched.backend;
  watched.looking_up = false;
  if (result && !result->empty()) {
    watched.retry = kAtLeast;
    // Round-robin DNS changes the order all the time: only another set is a change.
    if (!std::ranges::is_permutation(*backend.addresses(), *result)) {
      backend.SetAddresses(*result);
      on_addresses_(uid);
    }
  } else {
    const std::string reason = result ? "no address" : result.error();
    log::Warn("name look-up failed", {{"pool", backend.pool()},
                                      {"server", backend.id()},
                                      {"host", backend.url().host},
                                      {"reason", reason}});
    if (backend.addresses()->empty()) {
      registry_.ReportHealth(uid, {.state = ServerState::kWarming,
                                   .reason = "name look-up: " + reason,
                                   .last_probe = std::nullopt,
                                   .consecutive_failures = 0});
    }
  }
  Duration wait = kInterval;
  if (backend.addresses()->empty()) {
    wait = watched.retry;
    watched.retry = std::min<Duration>(watched.retry * 2, kInterval);
  }
  if (watched.again) wait = std::min<Duration>(wait, kAtLeast);
  ScheduleNext(watched, wait);
}

void Resolver::ScheduleNext(Watched& watched, Duration wait) {
  watched.timer.ExpireAfter(std::max(wait, Duration::zero()));
  watched.timer.OnExpiry([this, uid = watched.backend->uid()] {
    const auto found = watched_.find(uid);
    if (found != watched_.end() && !found->second->looking_up) LookUp(*found->second);
  });
}

}  // namespace remora::proxy
