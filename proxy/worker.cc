#include "proxy/worker.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/downstream/connection_set.h"
#include "proxy/downstream/http1_session.h"
#include "proxy/net/spawn.h"
#include "proxy/net/stream.h"
#include "proxy/net/timer.h"
#include "proxy/observe/counter.h"

namespace remora::proxy {

using net::Awaitable;

namespace {

// After an accept that failed (descriptors) or while the connection limit is reached.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kWarnEvery{10};
constexpr int kAcceptsATurn = 16;
// How often, and for how long after a session has ended, it is asked for memory that is no longer
// needed: one look sees the end of what was busy, the next what has been unused since then, the
// third what that has made unused.
constexpr std::chrono::seconds kMemoryPeriod{1};
constexpr int kMemoryLooks = 3;

}  // namespace

struct Worker::Listening {
  std::unique_ptr<net::Listener> listener;
  const ListenerSettings* settings;
  const PoolSettings* pool;
  Forwarder* forwarder;
  Reporter* reporter;
  ConnectionSet connections;
  // Written by the worker only.
  Level open = {};
  std::atomic<bool> accepting = true;  // the accept loop has not ended: it may get one more
  TimePoint last_warning = {};

  bool closing() const { return connections.closing(); }
  // True: no connection is left and none will come. In this order, as the last one may come just
  // before the accept loop ends.
  bool closed() const { return !accepting.load(std::memory_order_acquire) && open.Get() == 0; }

  // Tells of a limit that was hit, at most every ten seconds.
  void Warn(std::string_view what, std::string_view reason) {
    const TimePoint now = Clock::now();
    if (last_warning != TimePoint() && now < last_warning + kWarnEvery) return;
    last_warning = now;
    log::Warn(what, {{"listener", listener->address().ToString()}, {"reason", reason}});
  }
};

Worker::Worker(const ProxySettings& settings, Registry& registry, ConnectionBudget& budget,
               LimitHits& hits, Metrics& metrics, std::size_t index, AccessLog* access_log)
    : settings_(settings),
      registry_(registry),
      budget_(budget),
      hits_(hits),
      counters_(metrics.worker(index)),
      upstream_(loop_, counters_.connections),
      memory_timer_([](void* self) { static_cast<Worker*>(self)->ReleaseMemory(); }, this) {
  Refresh();
  for (std::size_t pool = 0; pool < settings.pools.size(); ++pool) {
    reporters_.push_back(std::make_unique<Reporter>(settings.pools[pool].name, index,
                                                    counters_.pools[pool], access_log));
    forwarders_.push_back(std::make_unique<Forwarder>(
        loop_, upstream_, hits_, *reporters_[pool], settings.pools[pool], settings.via_name,
        [this, pool]() -> const BackendSet& { return CurrentSet(pool); }));
  }
}

Worker::~Worker() { Join(); }

absl::StatusOr<SocketAddress> Worker::OpenListener(const ListenerSettings& settings,
                                                   const SocketAddress& address) {
  auto listener = net::Listener::Open(loop_, address, /*share_port=*/settings_.workers > 1);
  if (!listener.ok()) return listener.status();
  const std::size_t pool = *registry_.PoolIndex(settings.pool);
  listening_.push_back(
      std::unique_ptr<Listening>(new Listening{.listener = std::move(*listener),
                                               .settings = &settings,
                                               .pool = &settings_.pools[pool],
                                               .forwarder = forwarders_[pool].get(),
                                               .reporter = reporters_[pool].get(),
                                               .connections = ConnectionSet(loop_, hits_)}));
  Listening& added = *listening_.back();
  added.connections.SetParkedHandlers(
      [this, &added](IdleConnection connection) { Serve(added, std::move(connection)); },
      [this, &added] { OnConnectionGone(added); });
  return added.listener->address();
}

void Worker::Start(std::function<void()> on_spare_memory) {
  on_spare_memory_ = std::move(on_spare_memory);
  for (auto& listening : listening_) {
    net::Spawn(loop_, AcceptLoop(*listening),
               [this, ended = listening.get()](const std::exception_ptr& failure) {
                 if (failure) log::Error("a listener ended by an exception");
                 ended->accepting.store(false, std::memory_order_release);
                 ReportIfIdle();
               });
  }
  thread_ = std::thread([this] { loop_.Run(); });
}

void Worker::OnChange() {
  if (change_pending_.exchange(true)) return;
  loop_.Post([this] {
    change_pending_ = false;
    Refresh();
  });
}

// Called before each pick (one atomic load when nothing changed) and when woken by a change, so
// that idle connections to a removed backend close without traffic.
void Worker::Refresh() {
  const std::uint64_t generation = registry_.generation();
  if (generation == generation_) return;
  generation_ = generation;
  // The old snapshot is held until after Forget: see Pool::hosts_.
  auto next = registry_.snapshot();
  if (snapshot_ == nullptr || snapshot_->members != next->members) upstream_.Forget(*next);
  snapshot_ = std::move(next);
}

const BackendSet& Worker::CurrentSet(std::size_t pool) {
  Refresh();
  return *snapshot_->pools[pool];
}

Awaitable<> Worker::AcceptLoop(Listening& listening) {
  net::Timer pause(loop_);
  for (;;) {
    if (budget_.open.load(std::memory_order_relaxed) >= budget_.limit) {
      // The kernel's queue holds who comes; nothing is lost unless it overflows.
      listening.Warn("connection limit reached", "limits.connections");
      hits_.Add(Limit::kConnections);
      pause.ExpireAfter(kAcceptPause);
      co_await pause.WaitForExpiry();
      if (listening.closing()) co_return;
      continue;
    }
    auto accepted = co_await listening.listener->Accept();
    if (accepted && listening.closing()) Admit(listening, std::move(*accepted));
    if (listening.closing()) co_return;
    if (!accepted) {
      if (accepted.error() == net::asio::error::connection_aborted) continue;
      listening.Warn("accept failed", accepted.error().message());
      pause.ExpireAfter(kAcceptPause);
      co_await pause.WaitForExpiry();
      if (listening.closing()) co_return;
      continue;
    }
    Admit(listening, std::move(*accepted));
    AdmitWaiting(listening);
  }
}

// A turn of a busy worker takes milliseconds: who comes at the same time must not wait for as many
// turns as there are others.
void Worker::AdmitWaiting(Listening& listening) {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    if (budget_.open.load(std::memory_order_relaxed) >= budget_.limit) return;
    auto accepted = listening.listener->TryAccept();
    if (!accepted) return;
    Admit(listening, std::move(*accepted));
  }
}

void Worker::Admit(Listening& listening, net::Accepted accepted) {
  listening.open.Add();
  counters_.connections.downstream_accepted.Add();
  budget_.open.fetch_add(1, std::memory_order_relaxed);
  Serve(listening, {.stream = net::Stream::Make(loop_, std::move(accepted.socket)),
                    .client_ip = accepted.peer.Ip()});
}

void Worker::Serve(Listening& listening, IdleConnection connection) {
  const SessionContext context{.loop = &loop_,
                               .connections = &listening.connections,
                               .forwarder = listening.forwarder,
                               .listener = listening.settings,
                               .pool = listening.pool,
                               .date = &date_,
                               .request_ids = &request_ids_,
                               .limit_hits = &hits_,
                               .reporter = listening.reporter,
                               .via_name = settings_.via_name};
  net::Spawn(loop_, ServeHttp1(context, std::move(connection)),
             [this, &listening](const std::exception_ptr& failure, IdleConnection idle) {
               if (failure) log::Error("a connection ended by an exception");
               OnServed(listening, std::move(idle));
             });
}

void Worker::OnServed(Listening& listening, IdleConnection idle) {
  if (idle.stream == nullptr || listening.closing()) return OnConnectionGone(listening);
  ReleaseMemorySoon();
  listening.connections.Park(std::move(idle), ParkedTimeout(*listening.settings));
}

void Worker::ReleaseMemorySoon() {
  memory_looks_ = kMemoryLooks;
  if (!memory_timer_.armed()) loop_.Arm(memory_timer_, kMemoryPeriod);
}

void Worker::ReleaseMemory() {
  if (loop_.ReleaseSpareMemory()) on_spare_memory_();
  if (upstream_.idle() != 0) memory_looks_ = kMemoryLooks;
  if (--memory_looks_ > 0) loop_.Arm(memory_timer_, kMemoryPeriod);
}

void Worker::OnConnectionGone(Listening& listening) {
  ReleaseMemorySoon();
  listening.open.Sub();
  budget_.open.fetch_sub(1, std::memory_order_relaxed);
  ReportIfIdle();
}

void Worker::ReportIfIdle() {
  if (idle_ == nullptr) return;
  const bool idle = std::ranges::all_of(listening_, [this](const auto& listening) {
    return listening->closed() || !Covers(finishing_, listening->settings->direction);
  });
  if (!idle) return;
  if (finishing_ == DrainScope::kAll) upstream_.CloseIdle();
  std::exchange(idle_, nullptr)();
}

void Worker::Cut(std::shared_ptr<Backend> backend) {
  loop_.Post([this, backend = std::move(backend)] {
    // Open again by now: what runs there is not what was meant.
    if (backend->admission().Load().closed()) upstream_.Cut(*backend);
  });
}

void Worker::BeginDrain(DrainScope scope) {
  loop_.Post([this, scope] {
    for (auto& listening : listening_) {
      if (Covers(scope, listening->settings->direction)) listening->connections.BeginDrain();
    }
  });
}

void Worker::StopAccepting(Listening& listening) {
  if (listening.closing()) return;
  listening.connections.CloseIdle();
  // What the kernel has accepted for us would be reset by closing.
  while (auto accepted = listening.listener->TryAccept()) Admit(listening, std::move(*accepted));
  listening.listener->Close();
}

void Worker::Finish(DrainScope scope, std::function<void()> idle) {
  loop_.Post([this, scope, idle = std::move(idle)]() mutable {
    finishing_ = scope;
    idle_ = std::move(idle);
    for (auto& listening : listening_) {
      if (Covers(scope, listening->settings->direction)) StopAccepting(*listening);
    }
    ReportIfIdle();
  });
}

void Worker::CutAll(DrainScope scope) {
  loop_.Post([this, scope] {
    for (auto& listening : listening_) {
      if (Covers(scope, listening->settings->direction)) listening->connections.CutAll();
    }
    upstream_.CutAll(scope);
  });
}

void Worker::Join() {
  if (!thread_.joinable()) return;
  loop_.Post([this] {
    for (auto& listening : listening_) {
      listening->connections.CutAll();
      listening->listener->Close();
    }
    upstream_.CutAll(DrainScope::kAll);
    loop_.Close();
  });
  thread_.join();
}

std::uint64_t Worker::connections(std::size_t index) const { return listening_[index]->open.Get(); }

bool Worker::closed(std::size_t index) const { return listening_[index]->closed(); }

}  // namespace remora::proxy
