#include "proxy/health/checker.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <set>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/net/spawn.h"

namespace remora::proxy {

using net::Awaitable;

namespace {

// At most so many at a time: each is a descriptor, and thousands of backends may come at once.
constexpr std::size_t kMaxProbes = 64;
constexpr std::chrono::seconds kRecheckAfter{1};

}  // namespace

// What outlives the checker while a probe is under way.
struct HealthChecker::Shared {
  net::Loop& loop;
  Registry& registry;
  OnUnreachable on_unreachable;  // null once stopped
  void WakeNext();

  std::size_t probing = 0;
  std::deque<std::shared_ptr<Watched>> waiting;  // for one of kMaxProbes
};

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
  std::size_t probes = 0;
  TimePoint last_probe;
  bool stopped = false;
  bool recheck = false;  // asked for while a probe was under way
  bool probing = false;
};

void HealthChecker::Shared::WakeNext() {
  while (!waiting.empty()) {
    const std::shared_ptr<Watched> next = std::move(waiting.front());
    waiting.pop_front();
    if (next->stopped) continue;
    next->timer.cancel();
    return;
  }
}

HealthChecker::HealthChecker(net::Loop& loop, Registry& registry,
                             const std::vector<PoolSettings>& pools, OnUnreachable on_unreachable)
    : loop_(loop),
      registry_(registry),
      pools_(pools),
      shared_(std::make_shared<Shared>(Shared{.loop = loop,
                                              .registry = registry,
                                              .on_unreachable = std::move(on_unreachable),
                                              .waiting = {}})),
      random_(std::random_device{}()) {}

HealthChecker::~HealthChecker() { Stop(); }

void HealthChecker::Start() {
  changes_ = std::make_unique<ChangeListener>(
      registry_, [this](std::function<void()> task) { loop_.Post(std::move(task)); },
      [this] { Sync(); });
  Sync();
}

void HealthChecker::Stop() {
  changes_.reset();
  shared_->on_unreachable = nullptr;
  shared_->waiting.clear();
  for (auto& [uid, watched] : watched_) {
    watched->stopped = true;
    watched->timer.cancel();
  }
  watched_.clear();
}

void HealthChecker::Recheck(std::string_view uid) {
  const auto found = watched_.find(uid);
  if (found == watched_.end()) return;
  Watched& watched = *found->second;
  watched.recheck = true;
  if (watched.probing) return;
  const TimePoint due = std::max(Clock::now(), watched.last_probe + kRecheckAfter);
  if (watched.timer.expiry() > due) watched.timer.expires_at(due);
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
      net::Spawn(loop_, Watch(shared_, std::move(watched)), [](const std::exception_ptr& failure) {
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

Awaitable<> HealthChecker::Watch(std::shared_ptr<Shared> shared, std::shared_ptr<Watched> watched) {
  Backend& backend = *watched->backend;
  while (!watched->stopped) {
    watched->recheck = false;
    // Before its name is resolved there is nothing to probe; the resolver asks for a recheck.
    if (!backend.addresses()->empty()) {
      if (shared->probing >= kMaxProbes) {
        shared->waiting.push_back(watched);
        watched->timer.expires_at(TimePoint::max());
        co_await watched->timer.async_wait(net::kNoThrow);
        if (watched->stopped) co_return;
      }
      ++shared->probing;
      watched->probing = true;
      watched->last_probe = Clock::now();
      backend.ResetConnectFailed();
      const ProbeResult result =
          co_await Probe(shared->loop, backend, watched->settings, watched->probes++);
      watched->probing = false;
      --shared->probing;
      shared->WakeNext();
      if (watched->stopped) co_return;
      Report(*shared, *watched, result);
    }
    Duration wait = watched->NextWait();
    if (watched->recheck) wait = std::min<Duration>(wait, kRecheckAfter);
    watched->timer.expires_after(wait);
    net::error_code error;
    do {
      // Recheck moves the expiry, which ends the wait early: go on waiting for the new time.
      auto [wait_error] = co_await watched->timer.async_wait(net::kNoThrow);
      error = wait_error;
    } while (error && !watched->stopped);
  }
}

void HealthChecker::Report(Shared& shared, Watched& watched, const ProbeResult& result) {
  const Backend& backend = *watched.backend;
  if (result.connect_failed && shared.on_unreachable) shared.on_unreachable(backend.uid());
  if (result.verdict == ProbeVerdict::kNone) {
    log::Warn("a probe could not be made",
              {{"pool", backend.pool()}, {"server", backend.id()}, {"reason", result.reason}});
    return;
  }
  const bool changed = watched.state.Observe(result.verdict == ProbeVerdict::kPassed);
  shared.registry.ReportHealth(backend.uid(),
                               {.state = watched.state.state(),
                                .reason = "probe: " + result.reason,
                                .last_probe = WallClock::now(),
                                .consecutive_failures = watched.state.consecutive_failures()});
  if (!changed) return;
  log::Info("server state", {{"pool", backend.pool()},
                             {"server", backend.id()},
                             {"state", StateName(watched.state.state())},
                             {"reason", result.reason}});
}

}  // namespace remora::proxy
