#include "proxy/health/checker.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <optional>
#include <set>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/net/cut_signal.h"
#include "proxy/net/spawn.h"
#include "proxy/net/timer.h"

namespace remora::proxy {

using net::Awaitable;

namespace {

// At most so many at a time: each is a descriptor, and thousands of backends may come at once.
constexpr std::size_t kMaxProbes = 64;
constexpr std::chrono::seconds kRecheckAfter{1};
// Probes wait for a common step, so many to an interval: those that fall into one share the turns
// of the loop, which cost more than the probes do (1,000 servers: 38 ms of CPU a second without
// steps, 17 with 200, a quarter less than that with 50, which is 100 ms by default).
constexpr int kStepsAnInterval = 50;
constexpr std::chrono::seconds kWarnEvery{10};

}  // namespace

// What outlives the checker while a probe is under way.
struct HealthChecker::Shared {
  Shared(net::Loop& its_loop, Registry& its_registry, MakeProbe make, OnUnreachable unreachable)
      : loop(its_loop),
        registry(its_registry),
        make_probe(std::move(make)),
        on_unreachable(std::move(unreachable)),
        report_timer(its_loop) {}

  net::Loop& loop;
  Registry& registry;
  const MakeProbe make_probe;
  OnUnreachable on_unreachable;  // null once stopped

  // What the probes of one turn of the loop have found is reported at once: each report that
  // changes a state publishes a set of all servers and wakes all workers, which took 60 ms of CPU
  // for 1,000 new ones.
  void Report(HealthFinding finding);
  void PutReportsIn();

  // Lets the next one probe in place of one that has ended.
  void PassTurn();
  // Thousands of probes may fail alike: one line in kWarnEvery.
  void WarnOfNoVerdict(const Backend& backend, std::string_view reason);

  std::vector<HealthFinding> findings;
  net::Timer report_timer;
  std::size_t turns = 0;  // taken, at most kMaxProbes
  std::deque<std::shared_ptr<Watched>> queue;
  TimePoint next_warning;
  std::uint64_t left_out = 0;
};

struct HealthChecker::Watched {
  Watched(net::Loop& loop, std::shared_ptr<Backend> watched_backend,
          const PoolSettings& pool_settings, std::uint32_t seed)
      : backend(std::move(watched_backend)),
        pool(pool_settings),
        state({.rise = pool.health_check.rise, .fall = pool.health_check.fall}),
        timer(loop),
        random(seed) {}

  // Spread, so that many backends (and many sidecars) are not probed all at once.
  TimePoint NextTime() {
    const HealthCheckSettings& settings = pool.health_check;
    std::uniform_real_distribution<double> factor(1 - settings.jitter, 1 + settings.jitter);
    const TimePoint due =
        Clock::now() + std::chrono::duration_cast<Duration>(settings.interval * factor(random));
    const Duration step = Duration(settings.interval) / kStepsAnInterval;
    if (step <= Duration::zero()) return due;
    return TimePoint((due.time_since_epoch() / step + 1) * step);
  }

  void Stop() {
    stopped = true;
    timer.Cancel();
    probe.Cut();
  }

  const std::shared_ptr<Backend> backend;
  const PoolSettings pool;  // a copy: a probe under way outlives Stop and the pools
  HealthState state;
  net::Timer timer;
  net::CutSignal probe;
  std::minstd_rand random;
  std::size_t probes = 0;
  TimePoint last_probe;
  bool stopped = false;
  bool recheck = false;  // asked for while a probe was under way
  bool queued = false;   // and not yet given its turn
  bool probing = false;
};

void HealthChecker::Shared::Report(HealthFinding finding) {
  findings.push_back(std::move(finding));
  if (findings.size() > 1) return;
  report_timer.ExpireAt(loop.now());
  report_timer.OnExpiry([this] { PutReportsIn(); });
}

void HealthChecker::Shared::PutReportsIn() {
  report_timer.Cancel();
  registry.ReportHealth(std::exchange(findings, {}));
}

void HealthChecker::Shared::PassTurn() {
  while (!queue.empty()) {
    const std::shared_ptr<Watched> next = std::move(queue.front());
    queue.pop_front();
    if (next->stopped) continue;
    next->queued = false;
    next->timer.Cancel();
    return;
  }
  --turns;
}

void HealthChecker::Shared::WarnOfNoVerdict(const Backend& backend, std::string_view reason) {
  const TimePoint now = Clock::now();
  if (now < next_warning) {
    ++left_out;
    return;
  }
  log::Warn("a probe could not be made", {{"pool", backend.pool()},
                                          {"server", backend.id()},
                                          {"reason", reason},
                                          {"left_out", left_out}});
  next_warning = now + kWarnEvery;
  left_out = 0;
}

// A turn that was taken; goes to the next one at the end of the scope, however that is left.
class HealthChecker::Turn {
 public:
  Turn(Shared& shared, Watched& watched) : shared_(shared), watched_(watched) {
    watched_.probing = true;
  }
  ~Turn() {
    watched_.probing = false;
    shared_.PassTurn();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Shared& shared_;
  Watched& watched_;
};

HealthChecker::HealthChecker(net::Loop& loop, Registry& registry,
                             const std::vector<PoolSettings>& pools, OnUnreachable on_unreachable,
                             MakeProbe make_probe)
    : loop_(loop),
      registry_(registry),
      pools_(pools),
      shared_(std::make_shared<Shared>(loop, registry, std::move(make_probe),
                                       std::move(on_unreachable))),
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
  shared_->queue.clear();
  shared_->PutReportsIn();
  for (auto& [uid, watched] : watched_) watched->Stop();
  watched_.clear();
  synced_.reset();
}

void HealthChecker::Recheck(std::string_view uid) {
  const auto found = watched_.find(uid);
  if (found == watched_.end()) return;
  Watched& watched = *found->second;
  if (watched.queued) return;  // its probe is still to come
  watched.recheck = true;
  if (watched.probing) return;
  const TimePoint due = std::max(Clock::now(), watched.last_probe + kRecheckAfter);
  if (watched.timer.expiry() > due) watched.timer.ExpireAt(due);
}

void HealthChecker::Sync() {
  const auto snapshot = registry_.snapshot();
  if (synced_ == snapshot->members) return;
  synced_ = snapshot->members;
  std::set<std::string_view> present;
  for (std::size_t pool = 0; pool < snapshot->pools.size(); ++pool) {
    for (const auto& backend : snapshot->pools[pool]->backends) {
      present.insert(backend->uid());
      if (watched_.contains(backend->uid())) continue;
      auto watched = std::make_shared<Watched>(loop_, backend, pools_[pool],
                                               static_cast<std::uint32_t>(random_()));
      watched_.emplace(backend->uid(), watched);
      net::Spawn(loop_, Watch(shared_, std::move(watched)), [](const std::exception_ptr& failure) {
        if (failure) log::Error("a health check ended by an exception");
      });
    }
  }
  std::erase_if(watched_, [&](const auto& entry) {
    if (present.contains(entry.first)) return false;
    entry.second->Stop();
    return true;
  });
}

Awaitable<> HealthChecker::Watch(std::shared_ptr<Shared> shared, std::shared_ptr<Watched> watched) {
  while (!watched->stopped) {
    watched->recheck = false;
    // Before its name is resolved there is nothing to probe; the resolver asks for a recheck.
    if (!watched->backend->addresses()->empty()) co_await ProbeInTurn(*shared, watched);
    if (watched->stopped) co_return;
    TimePoint next = watched->NextTime();
    if (watched->recheck) next = std::min<TimePoint>(next, Clock::now() + kRecheckAfter);
    watched->timer.ExpireAt(next);
    bool expired = false;
    // Recheck moves the expiry, which ends the wait early: go on waiting for the new time.
    while (!expired && !watched->stopped) expired = co_await watched->timer.WaitForExpiry();
  }
}

Awaitable<> HealthChecker::ProbeInTurn(Shared& shared, const std::shared_ptr<Watched>& watched) {
  if (shared.turns < kMaxProbes) {
    ++shared.turns;
  } else {
    watched->queued = true;
    shared.queue.push_back(watched);
    watched->timer.ExpireAt(TimePoint::max());
    while (watched->queued && !watched->stopped) {
      co_await watched->timer.WaitForExpiry();
    }
    if (watched->queued) co_return;
  }
  const Turn turn(shared, *watched);
  if (watched->stopped) co_return;  // after it was given its turn
  watched->last_probe = Clock::now();
  watched->backend->ResetConnectFailed();
  const std::optional<ProbeResult> result = co_await watched->probe.Run(
      shared.loop,
      shared.make_probe(shared.loop, *watched->backend, watched->pool, watched->probes++));
  if (result) Report(shared, *watched, *result);
}

void HealthChecker::Report(Shared& shared, Watched& watched, const ProbeResult& result) {
  const Backend& backend = *watched.backend;
  if (result.connect_failed && shared.on_unreachable) shared.on_unreachable(backend.uid());
  if (result.verdict == ProbeVerdict::kNone) {
    shared.WarnOfNoVerdict(backend, result.reason);
    return;
  }
  const bool passed = result.verdict == ProbeVerdict::kPassed;
  if (backend.counters() != nullptr) backend.counters()->CountProbe(passed);
  watched.state.Observe(passed);
  shared.Report({.uid = backend.uid(),
                 .report = {.state = watched.state.state(),
                            .reason = "probe: " + result.reason,
                            .last_probe = WallClock::now(),
                            .consecutive_failures = watched.state.consecutive_failures()}});
}

}  // namespace remora::proxy
