// The commands around the life of a sidecar: what the hooks, probes and start scripts of a pod
// call, where no shell is at hand.
//
// Threads: one. Lifetime: nothing is kept after the return.
#pragma once

#include <chrono>
#include <string>

#include "cli/context.h"
#include "cli/failure.h"

namespace remora::cli {

enum class Awaited {
  kReady,
  kDrained  // what was draining is closed, or the sidecar was there and has ended
};
// kTimeout after `limit`, with what was still missing. A sidecar that is not there may come.
Outcome Wait(Awaited awaited, std::chrono::milliseconds limit, const Context& context);

struct ShutdownOptions {
  bool inbound = false;  // these listeners only
  bool wait = false;     // until it has ended, or for `inbound` until these are closed
};
Outcome Shutdown(const ShutdownOptions& options, const Context& context);

// As Shutdown of inbound, but a sidecar that is gone has nothing to be told.
Outcome PreStop(bool wait, const Context& context);

// For exec probes: kFailure where it is not ready, kUnavailable where nothing answers, both without
// a message. `live`: an answer is enough.
Outcome HealthCheck(bool live, const Context& context);

// Why it is not ready yet, empty where it is. An error is one that no waiting mends.
Reply<std::string> WhyNotReady(ControlClient& client);

// With what was missing at the end.
Failure NotReadyAfter(std::chrono::milliseconds limit, const std::string& why);

}  // namespace remora::cli
