// One look at one backend: does it answer?
//
// Threads: the control loop's. Lifetime: arguments outlive the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "proxy/base/settings.h"
#include "proxy/net/awaitable.h"
#include "proxy/net/loop.h"
#include "proxy/registry/backend.h"

namespace remora::proxy {

enum class ProbeVerdict : std::uint8_t {
  kPassed,
  kFailed,
  kNone  // this process is short of descriptors or memory: that says nothing about the backend
};

struct ProbeResult {
  ProbeVerdict verdict = ProbeVerdict::kFailed;
  std::string reason;           // "HTTP 200", "connect: Connection refused"
  bool connect_failed = false;  // its name may have moved
};

// Ends within the pool's `health_check.timeout` (its parts rounded up to 100 ms). `start`: which of
// several addresses is tried first.
net::Awaitable<ProbeResult> Probe(net::Loop& loop, const Backend& backend, const PoolSettings& pool,
                                  std::size_t start);

// Does this status pass a probe of this kind? Pure.
bool StatusPasses(ProbeKind kind, unsigned status);

}  // namespace remora::proxy
