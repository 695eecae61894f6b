// What happened, for people: each change of a server, drain, reload and limit hit, once. The newest
// are kept for GET /events; each is a line of the log and a count as well.
//
// Thread-safe. Lifetime: outlives all who add to it or observe it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/clock.h"

namespace remora::proxy {

struct Event {
  std::uint64_t id = 0;  // given by the log, rising from 1
  WallTime time;         // likewise
  std::string kind;      // "health", "server", "drain", "reload", "limit"
  std::string pool;      // empty where it is not about one
  std::string server;
  std::string cause;  // "probe: connect refused"
  std::string from;   // states or values; may be empty
  std::string to;
};

class EventLog {
 public:
  static constexpr std::size_t kKept = 256;

  // Returns its id.
  std::uint64_t Add(Event event) ABSL_LOCKS_EXCLUDED(mu_, observers_mu_);
  // The kept events with a greater id, oldest first.
  std::vector<Event> Since(std::uint64_t id) const ABSL_LOCKS_EXCLUDED(mu_);
  // How many there were of each kind.
  std::map<std::string, std::uint64_t> Counts() const ABSL_LOCKS_EXCLUDED(mu_);

  // Observers run after each event, on the thread that added it, and must not block, add or
  // (un)subscribe. On return of Unsubscribe no call to the observer is running or will start.
  using Observer = std::function<void()>;
  std::uint64_t Subscribe(Observer observer) ABSL_LOCKS_EXCLUDED(observers_mu_);
  void Unsubscribe(std::uint64_t id) ABSL_LOCKS_EXCLUDED(observers_mu_);

 private:
  mutable absl::Mutex mu_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::uint64_t> counts_ ABSL_GUARDED_BY(mu_);
  std::uint64_t last_id_ ABSL_GUARDED_BY(mu_) = 0;

  absl::Mutex observers_mu_;
  std::map<std::uint64_t, Observer> observers_ ABSL_GUARDED_BY(observers_mu_);
  std::uint64_t next_observer_ ABSL_GUARDED_BY(observers_mu_) = 1;
};

}  // namespace remora::proxy
