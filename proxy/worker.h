// One data-plane thread: its event loop, listeners, upstream connections and client connections.
// Workers share nothing but the registry's published set and the backends' admission words.
//
// Threads: everything but the constructor, OpenListener and Start may be called from any thread and
// takes effect on the worker's own. Lifetime: joins its thread when it is destroyed; the registry
// and the settings outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "proxy/base/drain_scope.h"
#include "proxy/base/http_date.h"
#include "proxy/base/request_id.h"
#include "proxy/base/settings.h"
#include "proxy/downstream/http1_session.h"
#include "proxy/forward/forwarder.h"
#include "proxy/net/listener.h"
#include "proxy/net/loop.h"
#include "proxy/net/timer_wheel.h"
#include "proxy/observe/access_log.h"
#include "proxy/observe/limit_hits.h"
#include "proxy/observe/metrics.h"
#include "proxy/observe/reporter.h"
#include "proxy/registry/registry.h"
#include "proxy/upstream/pool.h"

namespace remora::proxy {

// Client connections of all workers together.
struct ConnectionBudget {
  std::uint64_t limit = 0;
  std::atomic<std::uint64_t> open = 0;
};

class Worker {
 public:
  // `index`: which worker of `metrics` this is. `access_log` may be null.
  Worker(const ProxySettings& settings, Registry& registry, ConnectionBudget& budget,
         LimitHits& hits, Metrics& metrics, std::size_t index, AccessLog* access_log);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Binds; connections are accepted after Start. Returns the address as bound.
  absl::StatusOr<SocketAddress> OpenListener(const ListenerSettings& settings,
                                             const SocketAddress& address);
  // `on_spare_memory` is called on the worker's thread when the kernel should get what is free in
  // the heap.
  void Start(std::function<void()> on_spare_memory);

  // The registry has published something new.
  void OnChange();
  // The running requests of a removed backend are over time.
  void Cut(std::shared_ptr<Backend> backend);
  void BeginDrain(DrainScope scope);
  // No new connections, idle ones are closed. `idle` is called on the worker's thread once none is
  // left; not at all if a later Finish comes before that.
  void Finish(DrainScope scope, std::function<void()> idle);
  void CutAll(DrainScope scope);
  // Ends the thread. After `idle`.
  void Join();

  // Listener number `index` in the order of OpenListener. Once `closed`, it has no connection and
  // gets none.
  std::uint64_t connections(std::size_t index) const;
  bool closed(std::size_t index) const;

 private:
  struct Listening;
  struct PoolRuntime;

  void Refresh();
  const BackendSet& CurrentSet(std::size_t pool);
  net::Awaitable<> AcceptLoop(Listening& listening);
  void Admit(Listening& listening, net::Accepted accepted);
  void AdmitWaiting(Listening& listening);
  void Serve(Listening& listening, IdleConnection connection);
  void OnServed(Listening& listening, IdleConnection idle);
  void OnConnectionGone(Listening& listening);
  void StopAccepting(Listening& listening);
  void ReportIfIdle();
  void ReleaseMemorySoon();
  void ReleaseMemory();

  const ProxySettings& settings_;
  Registry& registry_;
  ConnectionBudget& budget_;
  LimitHits& hits_;
  WorkerCounters& counters_;
  net::Loop loop_;
  HttpDateCache date_;
  RequestIdSource request_ids_;
  std::uint64_t generation_ = 0;
  std::shared_ptr<const Snapshot> snapshot_;
  upstream::Pool upstream_;
  std::vector<std::unique_ptr<Reporter>> reporters_;    // by pool index
  std::vector<std::unique_ptr<Forwarder>> forwarders_;  // likewise
  std::vector<std::unique_ptr<Listening>> listening_;
  std::atomic<bool> change_pending_ = false;
  DrainScope finishing_ = DrainScope::kInbound;  // what `idle_` waits for
  std::function<void()> idle_;
  std::function<void()> on_spare_memory_;
  int memory_looks_ = 0;  // that are still to come
  net::TimerWheel::Entry memory_timer_;
  std::thread thread_;
};

}  // namespace remora::proxy
