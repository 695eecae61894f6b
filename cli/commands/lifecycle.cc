#include "cli/commands/lifecycle.h"

#include <functional>
#include <utility>

#include "cli/commands/print.h"
#include "cli/commands/waiting.h"
#include "cli/duration.h"
#include "cli/proto_time.h"

namespace remora::cli {
namespace {

// A call may fail once while the sidecar is there: twice in a row it is gone.
constexpr int kGone = 2;

bool IsAway(const Failure& failure) { return failure.exit == ExitCode::kUnavailable; }

// May pass by itself: it has not begun yet, or is busy.
bool MayPass(const Failure& failure) {
  return IsAway(failure) || failure.exit == ExitCode::kTimeout;
}

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& parts) {
  std::string joined;
  for (const std::string& part : parts) joined += (joined.empty() ? "" : ", ") + part;
  return joined;
}

// What is missing until nothing drains any more; empty when it is so.
std::string Draining(const v1::HealthResponse& health) {
  bool closed = false;
  for (const v1::ListenerHealth& listener : health.listeners()) {
    if (listener.state() == v1::ListenerHealth::DRAINING) {
      return listener.address() + " drains, with " + std::to_string(listener.connections()) +
             " connections";
    }
    closed = closed || listener.state() == v1::ListenerHealth::CLOSED;
  }
  return closed ? "" : "nothing drains; `remoractl shutdown` begins it";
}

std::string InboundOpen(const v1::HealthResponse& health) {
  for (const v1::ListenerHealth& listener : health.listeners()) {
    if (listener.direction() == v1::ListenerHealth::INBOUND &&
        listener.state() != v1::ListenerHealth::CLOSED) {
      return listener.address() + " has " + std::to_string(listener.connections()) + " connections";
    }
  }
  return {};
}

std::string StillThere(const v1::HealthResponse&) { return "the sidecar has not ended"; }

// Until `missing` says nothing or a sidecar that was `seen` is gone; `over` makes the failure.
Outcome WaitUntil(const std::function<std::string(const v1::HealthResponse&)>& missing, bool seen,
                  std::chrono::milliseconds limit, const Context& context) {
  Waiting waiting(limit, context.clock);
  std::string still;
  int away = 0;
  while (true) {
    const auto health = context.client.Health({});
    if (health) {
      seen = true;
      away = 0;
      still = missing(*health);
      if (still.empty()) return {};
    } else if (!MayPass(health.error())) {
      return std::unexpected(health.error());
    } else {
      still = health.error().message;
      away = IsAway(health.error()) ? away + 1 : 0;
      if (seen && away == kGone) return {};
    }
    if (waiting.over()) {
      return std::unexpected(
          Failure{.exit = ExitCode::kTimeout,
                  .message = "not drained after " + FormatDuration(limit) + ": " + still,
                  .hint = "give it longer with --timeout, or see `remoractl health`"});
    }
    waiting.Pause();
  }
}

Outcome WaitUntilReady(std::chrono::milliseconds limit, const Context& context) {
  Waiting waiting(limit, context.clock);
  while (true) {
    auto why = WhyNotReady(context.client);
    if (!why) return std::unexpected(std::move(why.error()));
    if (why->empty()) return {};
    if (waiting.over()) return std::unexpected(NotReadyAfter(limit, *why));
    waiting.Pause();
  }
}

}  // namespace

Outcome Wait(Awaited awaited, std::chrono::milliseconds limit, const Context& context) {
  if (awaited == Awaited::kReady) return WaitUntilReady(limit, context);
  return WaitUntil(Draining, /*seen=*/false, limit, context);
}

Outcome Shutdown(const ShutdownOptions& options, const Context& context) {
  v1::ShutdownRequest request;
  request.set_scope(options.inbound ? v1::ShutdownRequest::INBOUND : v1::ShutdownRequest::ALL);
  const auto shutdown = context.client.Shutdown(request);
  if (!shutdown) return std::unexpected(shutdown.error());
  const std::chrono::milliseconds left = TimeLeft(shutdown->deadline(), context.clock);
  context.Note(
      std::string(options.inbound ? "Inbound traffic drains" : "The sidecar drains and ends") +
      "; " + std::to_string(shutdown->active_requests()) + " requests run, at most " +
      FormatDuration(left) + ".");
  if (options.wait) {
    // The sidecar itself cuts at the deadline; the rest of the time is for it to say so.
    const auto ended = WaitUntil(options.inbound ? InboundOpen : StillThere, /*seen=*/true,
                                 left + context.options.timeout, context);
    if (!ended) return ended;
  }
  if (!IsTable(context.options.output)) PrintMessage(*shutdown, context);
  return {};
}

Outcome PreStop(bool wait, const Context& context) {
  const Outcome outcome = Shutdown({.inbound = true, .wait = wait}, context);
  if (outcome || !IsAway(outcome.error())) return outcome;
  context.Note("The sidecar has ended already: " + outcome.error().message + ".");
  return {};
}

Outcome HealthCheck(bool live, const Context& context) {
  const auto health = context.client.Health({});
  if (health) {
    if (live || health->ready()) return {};
    return std::unexpected(Failure{.exit = ExitCode::kFailure, .message = {}});
  }
  if (!MayPass(health.error())) return std::unexpected(health.error());
  return std::unexpected(Failure{.exit = ExitCode::kUnavailable, .message = {}});
}

Reply<std::string> WhyNotReady(ControlClient& client) {
  const auto health = client.Health({});
  if (!health) {
    if (MayPass(health.error())) return health.error().message;
    return std::unexpected(health.error());
  }
  if (health->ready()) return std::string();
  return health->reasons().empty() ? std::string("it gives no reason") : Joined(health->reasons());
}

Failure NotReadyAfter(std::chrono::milliseconds limit, const std::string& why) {
  return {.exit = ExitCode::kTimeout,
          .message = "the sidecar is not ready after " + FormatDuration(limit) + ": " + why,
          .hint = "give it longer with --timeout, or see its log"};
}

}  // namespace remora::cli
