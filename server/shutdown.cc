#include "server/shutdown.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "proxy/base/log.h"

namespace remora::server {
namespace {

using proxy::DrainScope;

std::string_view NameOf(DrainScope scope) { return scope == DrainScope::kAll ? "all" : "inbound"; }

bool HasInbound(const proxy::ProxySettings& settings) {
  return std::ranges::any_of(settings.listeners, [](const proxy::ListenerSettings& listener) {
    return listener.direction == proxy::Direction::kInbound;
  });
}

proxy::Duration Until(proxy::TimePoint time) {
  return std::max(time - proxy::Clock::now(), proxy::Duration::zero());
}

auto InMs(proxy::Duration duration) {
  return std::chrono::ceil<std::chrono::milliseconds>(duration).count();
}

std::uint64_t ActiveRequests(const proxy::Registry& registry) {
  std::uint64_t active = 0;
  for (const proxy::PoolTotals& pool : registry.Totals()) active += pool.active_requests;
  return active;
}

}  // namespace

Shutdown::Shutdown(proxy::net::Loop& loop, proxy::Proxy& proxy, Readiness& readiness,
                   const ShutdownSettings& settings, Hooks hooks)
    : loop_(loop),
      proxy_(proxy),
      readiness_(readiness),
      hooks_(std::move(hooks)),
      plan_(settings, HasInbound(proxy.settings())),
      close_timer_(loop) {}

ShutdownNotice Shutdown::Ask(DrainScope scope) {
  absl::MutexLock lock(&mu_);
  const proxy::TimePoint now = proxy::Clock::now();
  const bool begun = plan_.Ask(scope, now);
  if (begun) {
    readiness_.BeginDrain(scope);
    loop_.Post([this, scope] { Begin(scope); });
  }
  const auto left = std::chrono::duration_cast<proxy::WallClock::duration>(plan_.deadline() - now);
  return {.deadline = proxy::WallClock::now() + left, .begun = begun};
}

bool Shutdown::drains_all() const { return plan().draining() == DrainScope::kAll; }

ShutdownPlan Shutdown::plan() const {
  absl::MutexLock lock(&mu_);
  return plan_;
}

void Shutdown::OnSignal() {
  if (std::exchange(signalled_, true)) return CutNow();
  Ask(DrainScope::kAll);
}

// Others learn first that we go, then the listeners close, then what still runs may finish.
void Shutdown::Begin(DrainScope scope) {
  hooks_.not_serving();
  proxy_.BeginDrain(scope);
  const ShutdownPlan plan = this->plan();
  log::Info("draining", {{"scope", NameOf(scope)},
                         {"delay_ms", InMs(Until(plan.closes()))},
                         {"deadline_ms", InMs(Until(plan.deadline()))},
                         {"connections", Connections(scope)}});
  close_timer_.ExpireAt(plan.closes());
  close_timer_.OnExpiry(
      [this, scope, deadline = plan.deadline()] { Finish(scope, Until(deadline)); });
}

void Shutdown::Finish(DrainScope scope, proxy::Duration deadline) {
  if (finishing_ && *finishing_ >= scope) return;
  finishing_ = scope;
  proxy_.Finish(scope, deadline, [this, scope](bool complete) { OnFinished(scope, complete); });
}

// A second signal: nobody wants to wait any longer.
void Shutdown::CutNow() {
  log::Warn("cut by a second signal", {{"active_requests", ActiveRequests(proxy_.registry())},
                                       {"connections", proxy_.connections()}});
  cut_ = true;
  close_timer_.Cancel();
  Finish(DrainScope::kAll, proxy::Duration::zero());
  proxy_.Cut();
}

void Shutdown::OnFinished(DrainScope scope, bool complete) {
  if (complete) {
    log::Info("drained", {{"scope", NameOf(scope)}});
  } else {
    log::Warn("what still ran was cut",
              {{"scope", NameOf(scope)}, {"by", cut_ ? "signal" : "deadline"}});
  }
  if (scope != DrainScope::kAll) return;
  close_timer_.Cancel();  // a cut may have overtaken it
  hooks_.over(cut_);
}

std::uint64_t Shutdown::Connections(DrainScope scope) const {
  std::uint64_t sum = 0;
  for (const proxy::ListenerView& listener : proxy_.listeners()) {
    if (proxy::Covers(scope, listener.direction)) sum += listener.connections;
  }
  return sum;
}

}  // namespace remora::server
