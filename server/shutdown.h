// The end of the process: whoever asks for it (SIGTERM, the Shutdown RPC), readiness goes first,
// then the listeners close, then what still runs may finish until the deadline.
//
// Threads: Ask and drains_all on any thread, the rest on the control thread. Lifetime: what it is
// made with outlives it; nobody calls it once `over` has been called.
#pragma once

#include <functional>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/drain_scope.h"
#include "proxy/net/loop.h"
#include "proxy/net/timer.h"
#include "proxy/proxy.h"
#include "server/config/config.h"
#include "server/control/lifecycle.h"
#include "server/readiness.h"
#include "server/shutdown_plan.h"

namespace remora::server {

class Shutdown {
 public:
  struct Hooks {
    std::function<void()> not_serving;  // grpc.health.v1; may be called again
    // Everything has drained; `by_signal`: somebody did not want to wait.
    std::function<void(bool by_signal)> over;
  };

  Shutdown(proxy::net::Loop& loop, proxy::Proxy& proxy, Readiness& readiness,
           const ShutdownSettings& settings, Hooks hooks);

  // When it returns, readiness has ended; the rest follows on the control thread.
  ShutdownNotice Ask(proxy::DrainScope scope) ABSL_LOCKS_EXCLUDED(mu_);
  // SIGTERM or SIGINT: everything drains; a second one cuts.
  void OnSignal() ABSL_LOCKS_EXCLUDED(mu_);

  bool drains_all() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  ShutdownPlan plan() const ABSL_LOCKS_EXCLUDED(mu_);
  void Begin(proxy::DrainScope scope) ABSL_LOCKS_EXCLUDED(mu_);
  void Finish(proxy::DrainScope scope, proxy::Duration deadline);
  void CutNow();
  void OnFinished(proxy::DrainScope scope, bool complete);
  std::uint64_t Connections(proxy::DrainScope scope) const;

  proxy::net::Loop& loop_;
  proxy::Proxy& proxy_;
  Readiness& readiness_;
  const Hooks hooks_;
  mutable absl::Mutex mu_;
  ShutdownPlan plan_ ABSL_GUARDED_BY(mu_);
  proxy::net::Timer close_timer_;
  std::optional<proxy::DrainScope> finishing_;  // what no longer accepts
  bool signalled_ = false;
  bool cut_ = false;
};

}  // namespace remora::server
