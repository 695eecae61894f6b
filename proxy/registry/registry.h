// The set of backends: who there is, what was asked of each, in which state it is.
//
// Thread-safe; changes are serialised by one mutex and published as an immutable Snapshot. Workers
// look at `generation()` (one atomic load) before a pick and copy the snapshot only when it moved.
// Lock order: observers_mu_ -> (an observer's own lock) -> mu_ (leaf).
// Lifetime: outlives the proxy, the health checker and every observer.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/clock.h"
#include "proxy/observe/event_log.h"
#include "proxy/observe/server_counters.h"
#include "proxy/registry/backend.h"
#include "proxy/registry/backend_set.h"

namespace remora::proxy {

struct ServerSpec {
  std::string url;           // canonical once it is in the registry
  std::uint32_t weight = 1;  // 1 to 1000
  std::uint32_t max_active = 0;
  std::map<std::string, std::string> labels;

  friend bool operator==(const ServerSpec&, const ServerSpec&) = default;
};

enum class ServerState : std::uint8_t { kWarming, kActive, kUnhealthy, kDraining };

// A copy of one entry, for people and the API.
struct ServerView {
  std::string pool;
  std::string id;
  std::string uid;
  std::string owner;
  ServerSpec spec;
  ServerState state = ServerState::kWarming;
  std::string reason;
  std::uint64_t revision = 0;
  std::uint32_t active = 0;
  WallTime created;
  std::optional<WallTime> last_probe;
  std::uint32_t consecutive_failures = 0;
  std::optional<WallTime> drain_deadline;
  bool drained = false;  // by Drain: DRAINING until Undrain, whatever its health
};

struct PoolTotals {
  std::string pool;
  std::uint32_t warming = 0;
  std::uint32_t active = 0;
  std::uint32_t unhealthy = 0;
  std::uint32_t draining = 0;
  std::uint64_t active_requests = 0;
};

// What the health checker, or the resolver, found out about a backend.
struct HealthReport {
  ServerState state = ServerState::kWarming;  // kWarming, kActive or kUnhealthy
  std::string reason;
  std::optional<WallTime> last_probe = {};  // nullopt: not the outcome of a probe
  std::uint32_t consecutive_failures = 0;
};

// Of one server.
struct HealthFinding {
  std::string uid;
  HealthReport report;
};

struct AddResult {
  ServerView server;
  bool created = false;
};

struct RemoveResult {
  ServerView server;
  bool was_draining = false;  // it was removed before; the call could only shorten its drain
};

// What Update changes; nullopt: stays as it is.
struct SpecChange {
  std::optional<std::string> url = {};  // must be the one it has
  std::optional<std::uint32_t> weight = {};
  std::optional<std::uint32_t> max_active = {};
  std::optional<std::map<std::string, std::string>> labels = {};  // all of them
};

struct UpdateResult {
  ServerView server;
  bool changed = false;
};

// ---- Replace ----

struct DesiredServer {
  std::string pool;  // empty: "default"
  std::string id;    // empty: derived from the url
  ServerSpec spec;
};

struct ReplaceOptions {
  bool dry_run = false;  // tell what would change, change nothing
  std::chrono::milliseconds drain_timeout{30000};
  std::uint64_t if_revision = 0;  // ABORTED unless the registry has it; 0: whatever it has
};

struct ServerChange {
  enum class Kind : std::uint8_t {
    kAdd,
    kUpdate,   // the same url: the backend stays, with its health and running requests
    kReplace,  // another url: the old one drains, a new one begins
    kRemove
  };

  Kind kind = Kind::kAdd;
  std::string pool;
  std::string id;
  ServerSpec before;  // not of kAdd
  ServerSpec after;   // not of kRemove
};

struct ReplaceResult {
  std::vector<ServerChange> changes;  // ordered by pool and id
  std::size_t unchanged = 0;
  std::uint64_t revision = 0;  // after the change
};

// Position in the order of List: the last entry of the page before.
struct ListCursor {
  std::string pool;
  std::string id;
  std::string uid;
};

struct ListPage {
  std::vector<ServerView> servers;
  bool more = false;
  std::uint64_t revision = 0;
};

// Where the registry tells what happens; either may be null. Both outlive it.
struct RegistryObservation {
  ServerTable* counters = nullptr;
  EventLog* events = nullptr;
};

class Registry {
 public:
  static constexpr std::size_t kMaxServers = 10'000;
  static constexpr std::chrono::seconds kDefaultDrain{30};
  static constexpr std::chrono::hours kMaxDrain{1};

  // `pools`: names, fixed for the registry's life. `events` outlives the registry.
  Registry(std::vector<std::string> pools, BackendEvents* events,
           RegistryObservation observation = {});

  // Idempotent by content. An empty `pool` stands for "default", an empty `id` is derived.
  // INVALID_ARGUMENT (fields named), NOT_FOUND (pool), ALREADY_EXISTS, RESOURCE_EXHAUSTED.
  absl::StatusOr<AddResult> Add(std::string_view pool, std::string_view id, ServerSpec spec,
                                std::string_view owner) ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);

  // When it returns, nothing is picked for the server any more. Where the id takes no traffic,
  // every server of that id that still drains is meant; their deadlines can only come nearer.
  // `drain_timeout` nullopt: kDefaultDrain for one that takes traffic, unchanged for those that
  // drain. NOT_FOUND, INVALID_ARGUMENT (fields named).
  absl::StatusOr<RemoveResult> Remove(std::string_view pool, std::string_view id,
                                      std::optional<std::chrono::milliseconds> drain_timeout)
      ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);

  // When it returns, nothing is picked for the server any more, until Undrain. It stays listed and
  // probed; what runs is cut at the deadline. Of one that is drained already the deadline can only
  // come nearer. NOT_FOUND, FAILED_PRECONDITION (it was removed), INVALID_ARGUMENT (fields named).
  absl::StatusOr<ServerView> Drain(std::string_view pool, std::string_view id,
                                   std::optional<std::chrono::milliseconds> drain_timeout)
      ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);

  // Takes Drain back: the server has the state that its probes gave it meanwhile. No change for one
  // that is not drained. Errors as of Drain.
  absl::StatusOr<ServerView> Undrain(std::string_view pool, std::string_view id)
      ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);

  // Changes the spec in place: uid, state and running requests stay. Picks that begin after it has
  // returned use the new values. Errors as of Drain.
  absl::StatusOr<UpdateResult> Update(std::string_view pool, std::string_view id, SpecChange change)
      ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);

  // Makes `desired` the whole of what `owner` has: adds what is new, changes what differs, removes
  // what is gone, in one step and with one published snapshot. Entries of others stay as they are;
  // an id that one of them holds is an error. On an error nothing has changed.
  // INVALID_ARGUMENT (fields named "servers[i]..."), NOT_FOUND (pool), ABORTED (`if_revision`),
  // ALREADY_EXISTS, RESOURCE_EXHAUSTED.
  absl::StatusOr<ReplaceResult> Replace(std::string_view owner, std::vector<DesiredServer> desired,
                                        const ReplaceOptions& options = {})
      ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);

  // NOT_FOUND, INVALID_ARGUMENT (id).
  absl::StatusOr<ServerView> Get(std::string_view pool, std::string_view id) const
      ABSL_LOCKS_EXCLUDED(mu_);

  // At most `limit` entries after `after` (nullopt: from the start), ordered by pool, id, uid.
  // `pool` empty: all pools. NOT_FOUND (pool).
  absl::StatusOr<ListPage> List(std::string_view pool, const std::optional<ListCursor>& after,
                                std::size_t limit) const ABSL_LOCKS_EXCLUDED(mu_);

  std::vector<PoolTotals> Totals() const ABSL_LOCKS_EXCLUDED(mu_);

  // ---- the data plane's side ----
  std::shared_ptr<const Snapshot> snapshot() const ABSL_LOCKS_EXCLUDED(mu_);
  // Moves with each published snapshot.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // nullopt when no pool has this name.
  std::optional<std::size_t> PoolIndex(std::string_view name) const;

  // ---- the control thread's side ----
  // Ignored for a uid that is gone or removed. Of a drained one it is kept for Undrain. Observers
  // are told of changes, and of each first probe, whatever it found.
  void ReportHealth(std::string_view uid, const HealthReport& report)
      ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);
  // The same of many, in their order: in one step and with at most one published snapshot.
  void ReportHealth(std::span<const HealthFinding> findings)
      ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);
  // Whether a server of `owner` still waits for its first probe.
  bool AwaitsFirstProbe(std::string_view owner) const ABSL_LOCKS_EXCLUDED(mu_);
  // Forgets a removed backend whose last request has ended.
  void EraseDrained(std::string_view uid) ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);

  struct Draining {
    std::shared_ptr<Backend> backend;
    TimePoint deadline;
  };
  // The removed, and the drained that still have requests.
  std::vector<Draining> DrainingBackends() const ABSL_LOCKS_EXCLUDED(mu_);

  // Observers run after each change, on the thread that made it, and must not block. On return of
  // Unsubscribe no call to the observer is running or will start. An observer must not
  // (un)subscribe.
  using Observer = std::function<void()>;
  std::uint64_t Subscribe(Observer observer) ABSL_LOCKS_EXCLUDED(observers_mu_);
  void Unsubscribe(std::uint64_t id) ABSL_LOCKS_EXCLUDED(observers_mu_);

 private:
  struct Record {
    ServerView view;  // `active` is filled in when it is copied out
    std::shared_ptr<Backend> backend;
    TimePoint drain_deadline;
    // What the probes say. It differs from that of `view` only while `view.drained`.
    ServerState health = ServerState::kWarming;
  };
  // Ordered by pool, id; the live entry of an id is in `live_`, removed ones in `draining_`.
  using Key = std::pair<std::string, std::string>;

  // What can be said about a server without looking at the others.
  struct Checked {
    Key key;
    ServerSpec spec;  // with its canonical url
    BackendUrl url;
  };
  absl::StatusOr<Checked> Check(std::string_view pool, std::string_view id, ServerSpec spec) const;

  using DesiredMap = std::map<Key, Checked>;
  absl::StatusOr<DesiredMap> CheckDesired(std::vector<DesiredServer> desired) const;
  absl::StatusOr<ReplaceResult> PlanReplace(std::string_view owner, const DesiredMap& desired) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void ApplyReplace(std::string_view owner, const ReplaceResult& plan, DesiredMap& desired,
                    std::chrono::milliseconds drain_timeout) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  static ServerView Copy(const Record& record);
  static void SetDrainDeadline(Record& record, std::chrono::milliseconds drain_timeout);
  absl::Status CheckPool(std::string_view pool) const;
  // The name of the server that a call is about. NOT_FOUND (pool), INVALID_ARGUMENT (id).
  absl::StatusOr<Key> KeyOf(std::string_view pool, std::string_view id) const;
  static bool IsOf(const Record& record, const Key& key) {
    return record.view.pool == key.first && record.view.id == key.second;
  }
  static absl::Status CheckDrainTimeout(std::optional<std::chrono::milliseconds> timeout);
  const Record& Insert(Checked checked, std::string_view owner) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes a live entry out of the live ones.
  ServerView StartDrain(std::map<Key, Record>::iterator live,
                        std::optional<std::chrono::milliseconds> drain_timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The live entry, or why there is none: NOT_FOUND, or FAILED_PRECONDITION for a removed one.
  absl::StatusOr<Record*> FindLive(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False where that is no nearer than the deadline it has.
  bool Shorten(Record& record, std::chrono::milliseconds drain_timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False where no deadline came nearer.
  bool ShortenDrains(const Key& key, std::chrono::milliseconds drain_timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whom an id means that takes no traffic: the draining one that was added last; nullptr where
  // none drains.
  const Record* LastDraining(const Key& key) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  struct HealthChange {
    ServerView server;
    ServerState before;
  };
  struct HealthOutcome {
    std::vector<HealthChange> changes;
    bool first_probe = false;  // of one of them
  };
  void NoteHealth(std::string_view uid, const HealthReport& report, HealthOutcome& outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellHealth(const HealthOutcome& outcome) ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);
  void Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Notify() ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);
  void Tell(std::string_view kind, const ServerView& server, std::string_view from,
            std::string_view to, std::string_view cause) const ABSL_LOCKS_EXCLUDED(mu_);
  void TellChange(std::string_view owner, const ServerChange& change) const
      ABSL_LOCKS_EXCLUDED(mu_);

  const std::vector<std::string> pools_;
  BackendEvents* const events_;
  const RegistryObservation observation_;
  std::atomic<std::uint64_t> generation_ = 1;

  mutable absl::Mutex mu_;
  std::map<Key, Record> live_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Record> draining_ ABSL_GUARDED_BY(mu_);  // by uid
  std::map<std::string, Key> key_of_uid_ ABSL_GUARDED_BY(mu_);   // live ones
  std::uint64_t revision_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t members_ ABSL_GUARDED_BY(mu_) = 0;  // see Snapshot
  std::shared_ptr<const Snapshot> snapshot_ ABSL_GUARDED_BY(mu_);

  absl::Mutex observers_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  std::map<std::uint64_t, Observer> observers_ ABSL_GUARDED_BY(observers_mu_);
  std::uint64_t next_observer_ ABSL_GUARDED_BY(observers_mu_) = 1;
};

std::string_view StateName(ServerState state);  // "ACTIVE"

// What is wrong with a label, with its key; empty where nothing is.
std::string LabelProblem(std::string_view key, std::string_view value);

}  // namespace remora::proxy
