// Decides what discovery does next: what the sources say against what the sidecar has. Pure: time
// and answers come in, one step at a time comes out.
//
//   Next -> kList, kReplace or kHealth -> (the caller calls) -> ...Answered or CallFailed -> Next
//   ...
//        -> kWait until a time, or until something else comes in
//
// Its rules:
// - One call at a time. Bursts of changes are waited for: until it is quiet, but not for ever.
// - Fail static: a source that knows nothing removes nothing, and while one has never answered,
//   nothing is removed at all, as what is there may be its.
// - Mass removal: where more than half of at least `guard_least` servers would go at once, or fewer
//   than half would be left of as many as there were within `window`, or all of at least two would
//   go, removals are held while additions go on; one is carried out when its server has been
//   missing for `hold` without a break. A server that gets another url counts as gone. A rolling
//   update, which brings others while it takes some, is none.
// - Of an id that another owner holds the sidecar keeps the other owner's server.
// - What the sidecar has is looked at again a while after each change of ours, when its revision is
//   not the one of the last look, when it was restarted, and every `resync`; after the first sync
//   often, until each server has had its first probe.
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/discovery/backoff.h"
#include "cli/discovery/endpoints.h"

namespace remora::cli::discovery {

class Reconciler {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using Time = std::chrono::steady_clock::time_point;

  struct Options {
    std::string owner;        // "discovery:web"
    std::size_t sources = 1;  // they are numbered from 0
    Milliseconds quiet{100};
    Milliseconds longest_burst{500};
    Milliseconds poll{5000};
    Milliseconds probe_look{100};     // after the first sync, and twice as long each time
    Milliseconds first_probes{5000};  // no longer are they waited for
    Milliseconds resync{std::chrono::minutes(5)};
    Milliseconds hold{30'000};  // 0: no guard
    Milliseconds window{10'000};
    std::size_t guard_least = 10;
    bool only_whole = false;  // do nothing before all sources have answered
    Milliseconds first_retry{200};
    Milliseconds longest_retry{5000};
    std::uint32_t seed = 1;  // of the waits after failures
  };

  struct Step {
    enum class Kind : std::uint8_t { kWait, kHealth, kList, kReplace };
    Kind kind = Kind::kWait;
    Time until = Time::max();  // of kWait
    ServerSet servers = {};    // of kReplace: all that the owner is to have
  };

  // What there is to tell about it.
  struct Status {
    bool sources_known = false;  // each has answered once
    bool sidecar_up = false;     // its last answer was one
    bool in_sync = false;        // as of the last look nothing is left to be done
    bool synced_once = false;    // it was in sync while all sources were known
    bool probed_once = false;    // and then its servers had their first probe, or long enough
    std::size_t wanted = 0;      // servers that the sources name
    std::size_t present = 0;     // servers that the owner has
    std::size_t unprobed = 0;    // of those, as of the last look, not yet probed
    std::size_t held = 0;        // servers that are kept by the guard
    std::set<ServerKey> conflicts = {};  // wanted, but held by another owner
  };

  explicit Reconciler(Options options);

  // All that a source names now.
  void SourceFound(std::size_t source, ServerSet servers, Time now);

  // Answers to the step before.
  void HealthAnswered(const v1::HealthResponse& answer, Time now);
  void ListAnswered(const v1::ListServersResponse& answer, Time now);
  void ReplaceAnswered(Time now);
  void CallFailed(Time now);

  Step Next(Time now);

  const Status& status() const { return status_; }

 private:
  struct Plan {
    ServerSet servers;
    Time until = Time::max();  // when a held server may go
  };

  // Whether to look for them now, and else until when not. Only after the first sync and before
  // `probed_once`.
  bool AwaitsFirstProbes(Time now, Time& until);
  Step Call(Step::Kind kind);
  Step Replace(ServerSet servers, Time now);
  bool AllSourcesKnown() const;
  ServerSet Wanted();
  // What the owner is to have now. Begins and ends a hold.
  Plan MakePlan(Time now);
  void Keep(const ServerKey& key, Plan& plan) const;
  // What is present but not wanted, and since when.
  std::map<ServerKey, Time> Missing(const ServerSet& wanted, Time now) const;
  bool IsMassRemoval(const ServerSet& wanted, Time now);

  const Options options_;
  Backoff backoff_;

  std::vector<std::optional<ServerSet>> found_;  // by source
  Time settled_at_;                              // the end of a burst of changes
  std::optional<Time> burst_began_;

  // What the sidecar has; nullopt where that is not known.
  std::optional<ServerSet> present_;
  std::set<ServerKey> foreign_;
  std::optional<std::uint64_t> revision_;  // at the last look; nullopt after a change of ours
  std::optional<Time> started_;            // its process, at the latest

  std::map<ServerKey, Time> missing_;  // present but not wanted, since when
  bool holding_ = false;
  std::deque<std::pair<Time, std::size_t>> sizes_;  // of `present_` before each change of ours

  bool in_flight_ = false;
  std::optional<ServerSet> sent_;  // by the call that is in flight
  Time retry_at_;
  Time poll_at_;
  Time resync_at_;
  Milliseconds probe_pause_;
  Time probe_look_at_;
  Time first_probes_until_ = Time::max();  // known from the first sync on

  Status status_;
};

}  // namespace remora::cli::discovery
