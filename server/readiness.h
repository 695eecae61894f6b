// Whether this process may be sent traffic, and if not, why: the one answer behind /readyz,
// /startupz, grpc.health.v1 and the Health RPC.
//
// It knows only facts about this process. Backends that are down do not make it unready: a
// sidecar that leaves because its backends are down turns one outage into two.
// Thread-safe. Lifetime: outlives the control and the admin server.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/clock.h"
#include "proxy/base/drain_scope.h"

namespace remora::server {

class Readiness {
 public:
  // One line of /readyz?verbose.
  struct Check {
    std::string name;
    bool passed = false;
    std::string reason;  // empty when it passed
    bool fatal = true;   // false: people should know, traffic may come all the same
  };

  Readiness() = default;
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  void ListenersBound() ABSL_LOCKS_EXCLUDED(mu_);
  // The servers of the configuration are in the registry and have had their first probe, or
  // long enough.
  void ServersProbed() ABSL_LOCKS_EXCLUDED(mu_);
  // What is wrong with the configuration on disk; empty: nothing. The one that was read before
  // goes on, so this does not make it unready.
  void ConfigProblem(std::string problem) ABSL_LOCKS_EXCLUDED(mu_);
  // From here on it is never ready again. A wider scope may follow.
  void BeginDrain(proxy::DrainScope scope) ABSL_LOCKS_EXCLUDED(mu_);

  bool ready() const ABSL_LOCKS_EXCLUDED(mu_);
  // Has once been ready; stays so while draining.
  bool started() const ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<Check> checks() const ABSL_LOCKS_EXCLUDED(mu_);
  // Of the fatal checks that fail; empty when ready.
  std::vector<std::string> reasons() const ABSL_LOCKS_EXCLUDED(mu_);

  proxy::Duration uptime() const { return proxy::Clock::now() - start_; }

 private:
  const proxy::TimePoint start_ = proxy::Clock::now();
  mutable absl::Mutex mu_;
  bool listeners_bound_ ABSL_GUARDED_BY(mu_) = false;
  bool servers_probed_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<proxy::DrainScope> draining_ ABSL_GUARDED_BY(mu_);
  std::string config_problem_ ABSL_GUARDED_BY(mu_);
};

}  // namespace remora::server
