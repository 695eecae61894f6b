#include "proxy/upstream/pool.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace remora::proxy::upstream {

using net::Awaitable;

namespace {

constexpr std::chrono::seconds kSweepInterval{1};

// How long a backend that took no connection is passed over if there is another.
constexpr std::chrono::seconds kAvoidFor{1};
constexpr std::size_t kMaxAvoided = 16;

}  // namespace

Pool::Pool(net::Loop& loop, ConnectionCounters& counters)
    : loop_(loop),
      counters_(counters),
      sweep_([](void* self) { static_cast<Pool*>(self)->Sweep(); }, this) {}

Pool::Borrowed::Borrowed(Pool& pool, Host& host, Backend& backend, const PoolSettings& settings,
                         Direction direction, OpenedPtr opened)
    : pool_(&pool),
      host_(&host),
      backend_(&backend),
      settings_(&settings),
      opened_(std::move(opened)) {
  opened_->direction = direction;
  host.in_use.push_back(*opened_);
  pool.counters_.upstream_active.Add();
}

Pool::Borrowed::~Borrowed() {
  if (opened_ == nullptr) return;
  opened_->unlink();
  opened_->cut_observer = nullptr;
  pool_->counters_.upstream_active.Sub();
  if (opened_->connection.Finish()) {
    pool_->GiveBack(*host_, *backend_, *settings_, std::move(opened_));
  }
}

std::optional<Pool::Borrowed> Pool::Reuse(Backend& backend, const PoolSettings& settings,
                                          Direction direction) {
  if (IsCut(direction)) return std::nullopt;
  Host& host = hosts_[&backend];
  auto idle = TakeIdle(host, backend);
  if (idle == nullptr) return std::nullopt;
  return std::optional<Borrowed>(std::in_place, *this, host, backend, settings, direction,
                                 std::move(idle));
}

Awaitable<Result<Pool::Borrowed>> Pool::Open(Backend& backend, const PoolSettings& settings,
                                             Direction direction) {
  if (IsCut(direction)) co_return CutError();
  auto opened = co_await Connect(backend, settings, direction);
  if (!opened) co_return std::unexpected(opened.error());
  co_return Borrowed(*this, hosts_[&backend], backend, settings, direction, std::move(*opened));
}

Pool::OpenedPtr Pool::TakeIdle(Host& host, const Backend& backend) {
  std::vector<OpenedPtr>& idle = host.idle;
  const TimePoint now = loop_.now();
  while (!idle.empty()) {
    if (idle.back()->expires <= now) {
      // The newest has had its time, so all have: backends close theirs about then.
      counters_.upstream_idle.Sub(idle.size());
      idle.clear();
      break;
    }
    OpenedPtr opened = std::move(idle.back());
    idle.pop_back();
    counters_.upstream_idle.Sub();
    if (opened->generation != backend.addresses_generation()) continue;
    // Bytes that came while it was idle would be taken for the answer, whatever the method (RFC
    // 9112 section 9.2), and what can't be repeated must not meet a connection that is known to be
    // closed. The loop knows of all that came before this turn, so before this request did, unless
    // the connection became idle in it.
    if (opened->connection.Usable(opened->idle_since == loop_.turn())) return opened;
  }
  return nullptr;
}

// The first connection that one of `addresses` takes.
Awaitable<Pool::ConnectResult> Pool::ConnectAny(Backend& backend, const Addresses& addresses,
                                                Direction direction, TimePoint deadline) {
  Connecting connecting;
  connecting.direction = direction;
  hosts_[&backend].connecting.push_back(connecting);
  co_return co_await connecting.signal.Run(
      loop_, net::Stream::ConnectAny(loop_, addresses, next_address_++, deadline));
}

Awaitable<Result<Pool::OpenedPtr>> Pool::Connect(Backend& backend, const PoolSettings& settings,
                                                 Direction direction) {
  const std::uint32_t generation = backend.addresses_generation();
  const Addresses addresses = backend.addresses();
  const TimePoint deadline = Clock::now() + settings.timeouts.connect;
  ConnectResult connected = co_await ConnectAny(backend, addresses, direction, deadline);
  if (connected && !*connected && net::IsLocalShortage(connected->error()) && idle() != 0) {
    // Idle connections are only kept for speed: they are the first to go.
    DropIdle();
    loop_.pipes().DropFree();
    connected = co_await ConnectAny(backend, addresses, direction, deadline);
  }
  if (!connected) co_return CutError();
  auto& stream = *connected;
  if (stream) {
    counters_.upstream_opened.Add();
    co_return OpenedPtr(new (loop_.slabs())
                            Opened(loop_, std::move(*stream), settings, generation));
  }
  if (net::IsLocalShortage(stream.error())) {
    co_return FailAt(Limit::kDescriptors, ErrorKind::kOverloaded, Side::kProxy,
                     "no descriptor for a connection is left");
  }
  backend.ReportConnectFailed();
  Avoid(backend);
  if (stream.error() == net::asio::error::timed_out) {
    co_return FailAt(Limit::kConnectTime, ErrorKind::kConnectTimeout, Side::kUpstream,
                     "no connection within `connect`");
  }
  co_return Fail(ErrorKind::kConnectFailed, Side::kUpstream, "no connection to the backend");
}

// One entry a backend, the latest kMaxAvoided of them: each pick looks at all. Where more fail at
// once, their probes soon take them out.
void Pool::Avoid(const Backend& backend) {
  std::erase_if(avoided_, [&](const Avoided& avoided) { return avoided.backend == &backend; });
  if (avoided_.size() == kMaxAvoided) avoided_.erase(avoided_.begin());
  avoided_.push_back({.backend = &backend, .until = Clock::now() + kAvoidFor});
}

bool Pool::AddAvoided(Backends& backends) {
  if (avoided_.empty()) return false;
  const TimePoint now = Clock::now();
  std::erase_if(avoided_, [now](const Avoided& avoided) { return avoided.until <= now; });
  const std::size_t before = backends.size();
  for (const Avoided& avoided : avoided_) {
    if (std::ranges::find(backends, avoided.backend) == backends.end()) {
      backends.push_back(avoided.backend);
    }
  }
  return backends.size() != before;
}

void Pool::GiveBack(Host& host, const Backend& backend, const PoolSettings& settings,
                    OpenedPtr opened) {
  if (closing_ || backend.admission().Load().closed()) return;
  if (host.idle.size() >= kMaxIdle) {
    host.idle.erase(host.idle.begin());
    counters_.upstream_idle.Sub();
  }
  opened->expires = loop_.now() + settings.timeouts.upstream_idle;
  opened->idle_since = loop_.turn();
  host.idle.push_back(std::move(opened));
  counters_.upstream_idle.Add();
  if (!sweep_.armed()) loop_.Arm(sweep_, kSweepInterval);
}

// Closes what has been idle for too long or was closed by the backend, so that few stale
// connections are there to be met.
void Pool::Sweep() {
  const TimePoint now = Clock::now();
  for (auto& [backend, host] : hosts_) {
    counters_.upstream_idle.Sub(std::erase_if(host.idle, [now](const OpenedPtr& kept) {
      return kept->expires <= now || !kept->connection.Usable(/*certain=*/false);
    }));
    // So that none keeps a page of the heap after a burst (1,024 of them 4 MB).
    for (const OpenedPtr& kept : host.idle) kept->connection.ReleaseMemory();
  }
  if (idle() != 0) loop_.Arm(sweep_, kSweepInterval);
}

void Pool::Forget(const Snapshot& snapshot) {
  std::unordered_set<const Backend*> known;
  for (const auto& pool : snapshot.pools) {
    for (const auto& backend : pool->backends) known.insert(backend.get());
  }
  for (auto entry = hosts_.begin(); entry != hosts_.end();) {
    auto& [backend, host] = *entry;
    if (known.contains(backend)) {
      ++entry;
      continue;
    }
    counters_.upstream_idle.Sub(host.idle.size());
    host.idle.clear();
    const bool unused = host.in_use.empty() && host.connecting.empty();
    entry = unused ? hosts_.erase(entry) : std::next(entry);
  }
}

void Pool::Cut(const Backend& backend) {
  const auto found = hosts_.find(&backend);
  if (found != hosts_.end()) Cut(found->second, DrainScope::kAll);
}

void Pool::Cut(Host& host, DrainScope scope) {
  for (Opened& lent : host.in_use) {
    if (Covers(scope, lent.direction)) lent.Cut();
  }
  for (Connecting& connecting : host.connecting) {
    if (Covers(scope, connecting.direction)) connecting.signal.Cut();
  }
}

void Pool::DropIdle() {
  sweep_.Disarm();
  for (auto& [backend, host] : hosts_) host.idle.clear();
  counters_.upstream_idle.Sub(idle());
}

void Pool::CloseIdle() {
  closing_ = true;
  DropIdle();
}

void Pool::CutAll(DrainScope scope) {
  if (cut_ != DrainScope::kAll) cut_ = scope;
  if (scope == DrainScope::kAll) CloseIdle();
  for (auto& [backend, host] : hosts_) Cut(host, scope);
}

}  // namespace remora::proxy::upstream
