// One worker's connections to all backends: opens them, keeps idle ones for reuse (the last used
// first, as it is the warmest), closes what belongs to a removed backend.
//
// Threads: the worker's. Lifetime: outlives every Borrowed.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "proxy/base/clock.h"
#include "proxy/base/drain_scope.h"
#include "proxy/base/error.h"
#include "proxy/base/settings.h"
#include "proxy/base/socket_address.h"
#include "proxy/net/cut_signal.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/observe/metrics.h"
#include "proxy/registry/backend.h"
#include "proxy/registry/backend_set.h"
#include "proxy/upstream/http1_connection.h"

namespace remora::proxy::upstream {

// kOpenNew: this request has met a stale connection already.
enum class Reuse : std::uint8_t { kAllowed, kOpenNew };

class Pool {
 public:
  // `counters` outlives the pool.
  Pool(net::Loop& loop, ConnectionCounters& counters);

  class Borrowed;
  // A connection for one request to `backend`, which the caller has counted in. `direction`: of the
  // listener that the request came over.
  // Errors: kConnectFailed, kConnectTimeout, kOverloaded, kDraining; nothing was sent.
  net::Awaitable<Result<Borrowed>> Acquire(Backend& backend, const PoolSettings& settings,
                                           Reuse reuse, Direction direction);

  using Backends = absl::InlinedVector<const Backend*, 4>;
  // Appends those that took no connection a moment ago: with nothing active they would win every
  // pick until their probes have failed. False if none was added.
  bool AddAvoided(Backends& backends);

  // Closes idle connections to backends that `snapshot` no longer has.
  void Forget(const Snapshot& snapshot);
  // Ends running exchanges with `backend` and those that still connect: its drain deadline has
  // passed.
  void Cut(const Backend& backend);
  void CloseIdle();
  // Ends what runs for the requests of that scope, and whatever is asked for later.
  void CutAll(DrainScope scope);

  std::uint64_t idle() const { return counters_.upstream_idle.Get(); }

 private:
  // Many more than any backend is asked for at once by one worker; older ones are closed.
  static constexpr std::size_t kMaxIdle = 1024;

  struct Opened {
    std::unique_ptr<Http1Connection> connection;
    std::uint32_t generation = 0;  // of the backend's addresses when it was opened
  };
  struct Idle {
    Opened opened;
    TimePoint expires;
  };
  using Hook =
      boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  struct InUse : Hook {
    void Cut() {
      connection->Cut();
      if (on_cut) on_cut();
    }
    Http1Connection* connection = nullptr;
    Direction direction = Direction::kOutbound;
    std::function<void()> on_cut;
  };
  // A connection that is being opened.
  struct Connecting : Hook {
    net::CutSignal signal;
    Direction direction;
  };
  struct Host {
    std::vector<Idle> idle;  // oldest first
    boost::intrusive::list<InUse, boost::intrusive::constant_time_size<false>> in_use;
    boost::intrusive::list<Connecting, boost::intrusive::constant_time_size<false>> connecting;
  };

 public:
  // Gives the connection back when it is destroyed: kept if Finish said that it is sound.
  class Borrowed {
   public:
    Borrowed(Pool& pool, Backend& backend, const PoolSettings& settings, Direction direction,
             Opened opened);
    Borrowed(Borrowed&&) = default;
    Borrowed& operator=(Borrowed&&) = delete;
    ~Borrowed();
    Connection& operator*() const { return *opened_.connection; }
    Connection* operator->() const { return opened_.connection.get(); }
    // Called when the connection is cut: what waits for the client instead must end, too.
    void OnCut(std::function<void()> on_cut) { in_use_->on_cut = std::move(on_cut); }

   private:
    Pool* pool_;
    Backend* backend_;
    const PoolSettings* settings_;
    Opened opened_;
    std::unique_ptr<InUse> in_use_;
  };

 private:
  using Addresses = std::shared_ptr<const std::vector<SocketAddress>>;
  // nullopt: cut.
  using ConnectResult = std::optional<std::expected<std::unique_ptr<net::Stream>, net::error_code>>;

  static void Cut(Host& host, DrainScope scope);
  bool IsCut(Direction direction) const { return cut_ && Covers(*cut_, direction); }
  net::Awaitable<ConnectResult> ConnectAny(Backend& backend, const Addresses& addresses,
                                           Direction direction, TimePoint deadline);
  std::optional<Opened> TakeIdle(const Backend& backend);
  net::Awaitable<Result<Opened>> Connect(Backend& backend, const PoolSettings& settings,
                                         Direction direction);
  void GiveBack(Backend& backend, const PoolSettings& settings, Opened opened);
  void Avoid(const Backend& backend);
  void DropIdle();
  void Sweep();

  net::Loop& loop_;
  ConnectionCounters& counters_;
  // Keyed by address: a Host is erased with its backend's removal, and `backends` of the snapshot
  // that the worker holds keep the address from being used again before that.
  std::unordered_map<const Backend*, Host> hosts_;
  struct Avoided {
    const Backend* backend;  // compared only
    TimePoint until;
  };
  std::vector<Avoided> avoided_;
  std::size_t next_address_ = 0;  // names with several addresses are used in turn
  bool closing_ = false;
  std::optional<DrainScope> cut_;
  net::TimerWheel::Entry sweep_;
};

}  // namespace remora::proxy::upstream
