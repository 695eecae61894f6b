#include "proxy/worker.h"

#include <exception>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/downstream/http1_session.h"
#include "proxy/net/spawn.h"

namespace remora::proxy {

using net::Awaitable;

namespace {

// After an accept that failed (descriptors) or while the connection limit is reached.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kWarnEvery{10};

}  // namespace

struct Worker::Listening {
  std::unique_ptr<net::Listener> listener;
  const ListenerSettings* settings;
  const PoolSettings* pool;
  Forwarder* forwarder;
  Reporter* reporter;
  TimePoint last_warning;

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
      connections_(loop_, hits) {
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
  listening_.push_back(std::make_unique<Listening>(Listening{.listener = std::move(*listener),
                                                             .settings = &settings,
                                                             .pool = &settings_.pools[pool],
                                                             .forwarder = forwarders_[pool].get(),
                                                             .reporter = reporters_[pool].get(),
                                                             .last_warning = {}}));
  return listening_.back()->listener->address();
}

void Worker::Start() {
  // Each accept loop counts as one that has to end, as it may just be getting a connection.
  open_ = listening_.size();
  for (auto& listening : listening_) {
    net::Spawn(loop_, AcceptLoop(*listening), [this](const std::exception_ptr& failure) {
      if (failure) log::Error("a listener ended by an exception");
      --open_;
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
  upstream_.Forget(*next);
  snapshot_ = std::move(next);
}

const BackendSet& Worker::CurrentSet(std::size_t pool) {
  Refresh();
  return *snapshot_->pools[pool];
}

Awaitable<> Worker::AcceptLoop(Listening& listening) {
  net::Timer pause(loop_.executor());
  for (;;) {
    if (budget_.open.load(std::memory_order_relaxed) >= budget_.limit) {
      // The kernel's queue holds who comes; nothing is lost unless it overflows.
      listening.Warn("connection limit reached", "limits.connections");
      hits_.Add(Limit::kConnections);
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(net::kNoThrow);
      if (finishing_) co_return;
      continue;
    }
    auto socket = co_await listening.listener->Accept();
    if (socket && finishing_) Admit(listening, std::move(*socket));
    if (finishing_) co_return;
    if (!socket) {
      if (socket.error() == net::asio::error::connection_aborted) continue;
      listening.Warn("accept failed", socket.error().message());
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(net::kNoThrow);
      if (finishing_) co_return;
      continue;
    }
    Admit(listening, std::move(*socket));
  }
}

void Worker::Admit(Listening& listening, net::Socket socket) {
  ++open_;
  counters_.connections.downstream_accepted.Add();
  budget_.open.fetch_add(1, std::memory_order_relaxed);
  Serve(listening, {.stream = std::make_unique<net::Stream>(loop_, std::move(socket))});
}

void Worker::Serve(Listening& listening, IdleConnection connection) {
  const SessionContext context{.loop = &loop_,
                               .connections = &connections_,
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
  if (idle.stream == nullptr || connections_.closing()) {
    OnConnectionGone();
    return;
  }
  connections_.Park(
      std::move(idle.stream), ParkedTimeout(*listening.settings),
      [this, &listening, requests = idle.requests](std::unique_ptr<net::Stream> stream) {
        Serve(listening, {.stream = std::move(stream), .requests = requests});
      },
      [this] { OnConnectionGone(); });
}

void Worker::OnConnectionGone() {
  --open_;
  budget_.open.fetch_sub(1, std::memory_order_relaxed);
  ReportIfIdle();
}

void Worker::ReportIfIdle() {
  if (!finishing_ || open_ != 0 || idle_ == nullptr) return;
  upstream_.CloseIdle();
  std::exchange(idle_, nullptr)();
}

void Worker::Cut(std::shared_ptr<Backend> backend) {
  loop_.Post([this, backend = std::move(backend)] {
    // Open again by now: what runs there is not what was meant.
    if (backend->admission().Load().closed()) upstream_.Cut(*backend);
  });
}

void Worker::BeginDrain() {
  loop_.Post([this] { connections_.BeginDrain(); });
}

void Worker::Finish(std::function<void()> idle) {
  loop_.Post([this, idle = std::move(idle)]() mutable {
    finishing_ = true;
    idle_ = std::move(idle);
    connections_.CloseIdle();
    for (auto& listening : listening_) {
      // What the kernel has accepted for us would be reset by closing.
      while (auto socket = listening->listener->TryAccept()) Admit(*listening, std::move(*socket));
      listening->listener->Close();
    }
    ReportIfIdle();
  });
}

void Worker::CutAll() {
  loop_.Post([this] {
    connections_.CutAll();
    upstream_.CutAll();
  });
}

void Worker::Join() {
  if (!thread_.joinable()) return;
  loop_.Post([this] {
    finishing_ = true;
    for (auto& listening : listening_) listening->listener->Close();
    connections_.CutAll();
    upstream_.CutAll();
    loop_.Close();
  });
  thread_.join();
}

}  // namespace remora::proxy
