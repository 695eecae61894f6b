// One look at one backend: does it answer?
//
// Threads: the control loop's. Lifetime: arguments outlive the call.
#pragma once

#include <string>

#include "proxy/base/settings.h"
#include "proxy/net/executor.h"
#include "proxy/net/loop.h"
#include "proxy/registry/backend.h"

namespace remora::proxy {

struct ProbeResult {
  bool passed = false;
  std::string reason;  // "HTTP 200", "connect: Connection refused"
};

// Ends within `settings.timeout` (rounded up to 100 ms).
net::Awaitable<ProbeResult> Probe(net::Loop& loop, const Backend& backend,
                                  const HealthCheckSettings& settings);

// Does this status pass a probe of this kind? Pure.
bool StatusPasses(ProbeKind kind, unsigned status);

}  // namespace remora::proxy
