#include "proxy/health/checker.h"

#include <exception>
#include <set>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/net/spawn.h"

namespace remora::proxy {

using net::Awaitable;

struct HealthChecker::Watched {
  Watched(net::Loop& loop, std::shared_ptr<Backend> watched_backend,
          const HealthCheckSettings& pool_settings, std::uint32_t seed)
      : backend(std::move(watched_backend)),
        settings(pool_settings),
        state({.rise = pool_settings.rise, .fall = pool_settings.fall}),
        timer(loop.executor()),
        random(seed) {}

  // Spreads probes, so that many backends (and many sidecars) don't fall into step.
  Duration NextWait() {
    std::uniform_real_distribution<double> factor(1 - settings.jitter, 1 + settings.jitter);
    return std::chrono::duration_cast<Duration>(settings.interval * factor(random));
  }

  const std::shared_ptr<Backend> backend;
  const HealthCheckSettings settings;  // a copy: a probe under way outlives Stop and the pools
  HealthState state;
  net::Timer timer;
  std::minstd_rand random;
  bool stopped = false;
  bool recheck = false;
};

HealthChecker::HealthChecker(net::Loop& loop, Registry& registry,
                             const std::vector<PoolSettings>& pools)
    : loop_(loop), registry_(registry), pools_(pools), random_(std::random_device{}()) {}

HealthChecker::~HealthChecker() { Stop(); }

void HealthChecker::Start() {
  subscription_ = registry_.Subscribe([this, alive = std::weak_ptr<bool>(alive_)] {
    loop_.Post([this, alive] {
      if (!alive.expired()) Sync();
    });
  });
  Sync();
}

void HealthChecker::Stop() {
  if (subscription_ != 0) registry_.Unsubscribe(subscription_);
  subscription_ = 0;
  alive_.reset();
  for (auto& [uid, watched] : watched_) {
    watched->stopped = true;
    watched->timer.cancel();
  }
  watched_.clear();
}

void HealthChecker::Recheck(std::string_view uid) {
  const auto found = watched_.find(uid);
  if (found == watched_.end()) return;
  found->second->recheck = true;
  found->second->timer.cancel();
}

void HealthChecker::Sync() {
  const auto snapshot = registry_.snapshot();
  std::set<std::string_view> present;
  for (std::size_t pool = 0; pool < snapshot->pools.size(); ++pool) {
    for (const auto& backend : snapshot->pools[pool]->backends) {
      present.insert(backend->uid());
      if (watched_.contains(backend->uid())) continue;
      auto watched = std::make_shared<Watched>(loop_, backend, pools_[pool].health_check,
                                               static_cast<std::uint32_t>(random_()));
      watched_.emplace(backend->uid(), watched);
      net::Spawn(loop_, Watch(loop_, registry_, std::move(watched)),
                 [](const std::exception_ptr& failure) {
                   if (failure) log::Error("a health check ended by an exception");
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

Awaitable<> HealthChecker::Watch(net::Loop& loop, Registry& registry,
                                 std::shared_ptr<Watched> watched) {
  const Backend& backend = *watched->backend;
  while (!watched->stopped) {
    watched->recheck = false;
    // Before its name is resolved there is nothing to probe; the resolver asks for a recheck.
    if (!backend.addresses()->empty()) {
      const ProbeResult result = co_await Probe(loop, backend, watched->settings);
      if (watched->stopped) co_return;
      const bool changed = watched->state.Observe(result.passed);
      registry.ReportHealth(backend.uid(),
                            {.state = watched->state.state(),
                             .reason = "probe: " + result.reason,
                             .last_probe = WallClock::now(),
                             .consecutive_failures = watched->state.consecutive_failures()});
      if (changed) {
        log::Info("server state", {{"pool", backend.pool()},
                                   {"server", backend.id()},
                                   {"state", StateName(watched->state.state())},
                                   {"reason", result.reason}});
      }
    }
    if (watched->recheck) continue;
    watched->timer.expires_after(watched->NextWait());
    co_await watched->timer.async_wait(net::kNoThrow);
  }
}

}  // namespace remora::proxy
