// One worker's connections to all backends: opens them, keeps idle ones for reuse (the last used
// first, as it is the warmest), closes what belongs to a removed backend.
//
// Threads: the worker's. Lifetime: outlives every Borrowed.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <expected>
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
#include "proxy/net/slab_pool.h"
#include "proxy/net/stream.h"
#include "proxy/observe/metrics.h"
#include "proxy/registry/backend.h"
#include "proxy/registry/backend_set.h"
#include "proxy/upstream/http1_connection.h"

namespace remora::proxy::upstream {

class Pool {
 public:
  // `counters` outlives the pool.
  Pool(net::Loop& loop, ConnectionCounters& counters);

  class Borrowed;
  // Is told that a connection is cut: what waits for the client instead must end, too.
  class CutObserver {
   public:
    virtual void OnCut() = 0;

   protected:
    ~CutObserver() = default;
  };
  // A connection for one request to `backend`, which the caller has counted in. `direction`: of the
  // listener that the request came over.
  // One that is kept; nullopt: there is none.
  std::optional<Borrowed> Reuse(Backend& backend, const PoolSettings& settings,
                                Direction direction);
  // A new one. Errors: kConnectFailed, kConnectTimeout, kOverloaded, kDraining; nothing was sent.
  net::Awaitable<Result<Borrowed>> Open(Backend& backend, const PoolSettings& settings,
                                        Direction direction);

  using Backends = absl::InlinedVector<const Backend*, 4>;
  // Appends those that took no connection a moment ago: with nothing active they would win every
  // pick until their probes have failed. False if none was added.
  bool AddAvoided(Backends& backends);
  bool avoids_any() const { return !avoided_.empty(); }

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

  using Hook =
      boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  // A connection that is open, and what the pool knows of it.
  struct Opened : Hook, net::SlabObject {  // linked while it is lent
    Opened(net::Loop& loop, std::unique_ptr<net::Stream> stream, const PoolSettings& settings,
           std::uint32_t its_generation)
        : connection(loop, std::move(stream), settings), generation(its_generation) {}
    void Cut() {
      connection.Cut();
      if (cut_observer != nullptr) cut_observer->OnCut();
    }
    Http1Connection connection;
    const std::uint32_t generation;  // of the backend's addresses when it was opened
    // While it is idle.
    TimePoint expires;
    std::uint64_t idle_since = 0;  // turn of the loop
    // While it is lent.
    Direction direction = Direction::kOutbound;
    CutObserver* cut_observer = nullptr;
  };
  static_assert(sizeof(Opened) <= net::SlabPool::kMaxSize);
  using OpenedPtr = std::unique_ptr<Opened>;
  // A connection that is being opened.
  struct Connecting : Hook {
    net::CutSignal signal;
    Direction direction;
  };
  struct Host {
    std::vector<OpenedPtr> idle;  // oldest first
    boost::intrusive::list<Opened, boost::intrusive::constant_time_size<false>> in_use;
    boost::intrusive::list<Connecting, boost::intrusive::constant_time_size<false>> connecting;
  };

 public:
  // Gives the connection back when it is destroyed: kept if Finish said that it is sound.
  class Borrowed {
   public:
    Borrowed(Pool& pool, Host& host, Backend& backend, const PoolSettings& settings,
             Direction direction, OpenedPtr opened);
    Borrowed(Borrowed&&) = default;
    Borrowed& operator=(Borrowed&&) = delete;
    ~Borrowed();
    Connection& operator*() const { return opened_->connection; }
    Connection* operator->() const { return &opened_->connection; }
    // `observer` outlives the loan.
    void SetCutObserver(CutObserver& observer) { opened_->cut_observer = &observer; }

   private:
    Pool* pool_;
    Host* host_;  // stays, as it has a connection that is lent
    Backend* backend_;
    const PoolSettings* settings_;
    OpenedPtr opened_;
  };

 private:
  using Addresses = std::shared_ptr<const std::vector<SocketAddress>>;
  // nullopt: cut.
  using ConnectResult = std::optional<std::expected<std::unique_ptr<net::Stream>, net::error_code>>;

  static void Cut(Host& host, DrainScope scope);
  bool IsCut(Direction direction) const { return cut_ && Covers(*cut_, direction); }
  net::Awaitable<ConnectResult> ConnectAny(Backend& backend, const Addresses& addresses,
                                           Direction direction, TimePoint deadline);
  // Null: there is none.
  OpenedPtr TakeIdle(Host& host, const Backend& backend);
  net::Awaitable<Result<OpenedPtr>> Connect(Backend& backend, const PoolSettings& settings,
                                            Direction direction);
  void GiveBack(Host& host, const Backend& backend, const PoolSettings& settings, OpenedPtr opened);
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
