// The whole data plane: registry, workers, health checker and name resolver, behind one object.
//
// Threads: constructed, started and told to drain on the control thread (`control`), which must be
// running for probes and name look-ups to happen; `registry()` may be used from any thread.
// Lifetime: `control` outlives the proxy. Destroy it on the control thread, or after that thread
// has ended.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proxy/base/clock.h"
#include "proxy/base/drain_scope.h"
#include "proxy/base/listener_view.h"
#include "proxy/base/settings.h"
#include "proxy/net/loop.h"
#include "proxy/observe/access_log.h"
#include "proxy/observe/event_log.h"
#include "proxy/observe/limit_hits.h"
#include "proxy/observe/metrics.h"
#include "proxy/registry/registry.h"

namespace remora::proxy {

class Proxy {
 public:
  // `access_log` may be null; it outlives the proxy.
  Proxy(ProxySettings settings, net::Loop& control, AccessLog* access_log = nullptr);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  Registry& registry();
  const ProxySettings& settings() const;

  // Binds every listener, then starts the workers. On an error nothing has been started; the
  // message names the address and says what to do.
  absl::Status Start();

  // The address of each listener as bound ("127.0.0.1:43121"), in the order of the settings.
  std::vector<std::string> listener_addresses() const;

  // In the same order. After Start; any thread.
  std::vector<ListenerView> listeners() const;

  // Downstream connections that are open, in all workers. Any thread.
  std::uint64_t connections() const;

  // How often each limit was hit. Any thread.
  const LimitHits& limit_hits() const;

  // What was counted, and what happened. Any thread.
  Metrics& metrics();
  EventLog& events();

  // Shutdown, of everything or of the inbound listeners first, in this order:
  // 1. Answers carry `Connection: close`; new connections are still accepted and idle ones kept, as
  //    others may not yet know that we are going.
  void BeginDrain(DrainScope scope);
  // 2. Stops accepting, closes idle connections, waits until the last request has ended or
  //    `deadline` has passed (then cuts what is left). Calls `done(true)` if nothing was cut, on
  //    the control thread, once; not at all if a Finish of a wider scope comes before that.
  void Finish(DrainScope scope, Duration deadline, std::function<void(bool)> done);
  // Cuts now: makes a pending Finish end at once.
  void Cut();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace remora::proxy
