#include "proxy/upstream/resolver.h"

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/net/resolve.h"
#include "proxy/net/spawn.h"

namespace remora::proxy {

using net::Awaitable;

namespace {

constexpr std::chrono::seconds kInterval{30};
constexpr std::chrono::seconds kAtLeast{1};  // between two look-ups of a name

}  // namespace

struct Resolver::Watched {
  Watched(net::Loop& loop, std::shared_ptr<Backend> watched_backend)
      : backend(std::move(watched_backend)), timer(loop.executor()) {}

  const std::shared_ptr<Backend> backend;
  net::Timer timer;
  TimePoint last_lookup;
  bool stopped = false;
};

Resolver::Resolver(net::Loop& loop, Registry& registry, OnAddresses on_addresses)
    : loop_(loop), registry_(registry), on_addresses_(std::move(on_addresses)) {}

Resolver::~Resolver() { Stop(); }

void Resolver::Start() {
  subscription_ = registry_.Subscribe([this, alive = std::weak_ptr<bool>(alive_)] {
    loop_.Post([this, alive] {
      if (!alive.expired()) Sync();
    });
  });
  Sync();
}

void Resolver::Stop() {
  if (subscription_ != 0) registry_.Unsubscribe(subscription_);
  subscription_ = 0;
  alive_.reset();
  for (auto& [uid, watched] : watched_) {
    watched->stopped = true;
    watched->timer.cancel();
  }
  watched_.clear();
}

void Resolver::ResolveSoon(std::string_view uid) {
  const auto found = watched_.find(uid);
  if (found == watched_.end()) return;
  Watched& watched = *found->second;
  watched.timer.expires_at(std::max(Clock::now(), watched.last_lookup + kAtLeast));
}

void Resolver::Sync() {
  const auto snapshot = registry_.snapshot();
  std::set<std::string_view> present;
  for (const auto& pool : snapshot->pools) {
    for (const auto& backend : pool->backends) {
      if (!backend->needs_resolving()) continue;
      present.insert(backend->uid());
      if (watched_.contains(backend->uid())) continue;
      auto watched = std::make_shared<Watched>(loop_, backend);
      watched_.emplace(backend->uid(), watched);
      net::Spawn(loop_, Watch(loop_, registry_, on_addresses_, std::move(watched)),
                 [](const std::exception_ptr& failure) {
                   if (failure) log::Error("a name look-up ended by an exception");
                 });
    }
  }
  std::erase_if(watched_, [&](const auto& entry) {
    if (present.contains(entry.first)) return false;
    entry.second->stopped = true;
    entry.second->timer.cancel();
    return true;
  });
}

Awaitable<> Resolver::Watch(net::Loop& loop, Registry& registry, OnAddresses on_addresses,
                            std::shared_ptr<Watched> watched) {
  Backend& backend = *watched->backend;
  while (!watched->stopped) {
    watched->last_lookup = Clock::now();
    backend.ResetConnectFailed();
    auto addresses = co_await net::Resolve(loop, backend.url().host, backend.url().port);
    if (watched->stopped) co_return;
    const bool had_none = backend.addresses()->empty();
    if (addresses && !addresses->empty()) {
      // Round-robin DNS changes the order all the time: only another set is a change.
      if (!std::ranges::is_permutation(*backend.addresses(), *addresses)) {
        backend.SetAddresses(*addresses);
        on_addresses(backend.uid());
      }
    } else {
      const std::string reason = addresses ? "no address" : addresses.error().message();
      log::Warn("name look-up failed", {{"pool", backend.pool()},
                                        {"server", backend.id()},
                                        {"host", backend.url().host},
                                        {"reason", reason}});
      if (had_none) {
        registry.ReportHealth(backend.uid(), {.state = ServerState::kWarming,
                                              .reason = "name look-up: " + reason,
                                              .last_probe = WallClock::now(),
                                              .consecutive_failures = 0});
      }
    }
    // A name that is not there yet is asked for more often.
    const bool resolved = !backend.addresses()->empty();
    watched->timer.expires_after(resolved ? Duration(kInterval) : Duration(kAtLeast));
    net::error_code error;
    do {
      // ResolveSoon moves the expiry, which ends the wait early: go on waiting for the new time.
      auto [wait_error] = co_await watched->timer.async_wait(net::kNoThrow);
      error = wait_error;
    } while (error && !watched->stopped);
  }
}

}  // namespace remora::proxy
