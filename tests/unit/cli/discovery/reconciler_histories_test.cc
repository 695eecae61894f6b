// Random histories on virtual time: sources that change, answer late or turn mad; a sidecar that is
// slow, away or restarted, and in which others remove and add servers; answers that get lost.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "cli/discovery/reconciler.h"

namespace remora::cli::discovery {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Reconciler::Step::Kind;
using Time = Reconciler::Time;

constexpr const char* kOwner = "discovery:t";
constexpr milliseconds kHold{30'000};
constexpr milliseconds kWindow{10'000};
constexpr std::size_t kGuardLeast = 10;

// What the sidecar does with the calls of discovery.
struct Sidecar {
  struct Entry {
    std::string owner;
    Endpoint endpoint;
  };
  std::map<ServerKey, Entry> servers;
  std::uint64_t revision = 1;
  Time started;

  ServerSet OwnedBy(const std::string& owner) const {
    ServerSet own;
    for (const auto& [key, entry] : servers) {
      if (entry.owner == owner) own.emplace(key, entry.endpoint);
    }
    return own;
  }
  // False as with SERVER_OF_ANOTHER_OWNER.
  bool Replace(const ServerSet& wanted) {
    for (const auto& [key, endpoint] : wanted) {
      const auto found = servers.find(key);
      if (found != servers.end() && found->second.owner != kOwner) return false;
    }
    std::erase_if(servers, [&](const auto& entry) {
      return entry.second.owner == kOwner && !wanted.contains(entry.first);
    });
    for (const auto& [key, endpoint] : wanted) servers[key] = {kOwner, endpoint};
    ++revision;
    return true;
  }
};

struct CallInFlight {
  Reconciler::Step step;
  Time acts;     // when the sidecar does it
  Time answers;  // when the answer is here
  bool lost = false;
  bool acted = false;
  bool refused = false;
  v1::ListServersResponse list;
  ServerSet owned;
  v1::HealthResponse health;
};

class World {
 public:
  World(std::uint32_t seed, std::size_t sources)
      : random_(seed),
        now_(std::chrono::hours(1)),
        reconciler_({.owner = kOwner,
                     .sources = sources,
                     .hold = kHold,
                     .window = kWindow,
                     .guard_least = kGuardLeast,
                     .seed = seed}),
        found_(sources) {
    sidecar_.started = now_;
    Foreign();
    if (Chance(2)) {  // those of a discovery before this one
      for (int i = 0; i < 12; ++i) sidecar_.servers[AnyKey()] = {kOwner, AnyEndpoint()};
      Foreign();
    }
  }

  void Run(int events) {
    for (int i = 0; i < events; ++i) {
      Event();
      Advance(milliseconds(Any(Chance(4) ? 20'000 : 1500)));
    }
    for (std::size_t source = 0; source < found_.size(); ++source) {
      if (!found_[source]) Change(source);
    }
    away_ = false;
    losing_ = false;
    Advance(std::chrono::minutes(3));
  }

  void ExpectSettled() {
    EXPECT_EQ(sidecar_.OwnedBy(kOwner), Wanted());
    const auto& status = reconciler_.status();
    EXPECT_TRUE(status.in_sync && status.synced_once && status.sidecar_up);
    EXPECT_EQ(status.held, 0U);
    EXPECT_EQ(sidecar_.OwnedBy("api"), foreign_) << "servers of other owners were touched";
  }

  int holds() const { return holds_; }
  int replacements() const { return replacements_; }

 private:
  int Any(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  bool Chance(int in) { return Any(in) == 0; }
  ServerKey AnyKey() { return {.pool = "default", .id = "s" + std::to_string(Any(24))}; }
  Endpoint AnyEndpoint() {
    return {.url = "http://h" + std::to_string(Any(20) == 0 ? 1 : 0) + ":80",
            .weight = static_cast<std::uint32_t>(1 + Any(3))};
  }

  // ---- what happens ----

  void Event() {
    switch (Any(10)) {
      case 0:
        away_ = !away_;
        break;
      case 1:  // a restart: all but the configuration is gone
        sidecar_.servers.clear();
        sidecar_.revision = static_cast<std::uint64_t>(1 + Any(5));
        sidecar_.started = now_;
        foreign_.clear();
        Foreign();
        break;
      case 2:
        if (!sidecar_.servers.empty()) {
          auto victim = sidecar_.servers.begin();
          std::advance(victim, Any(static_cast<int>(sidecar_.servers.size())));
          foreign_.erase(victim->first);
          sidecar_.servers.erase(victim);
          ++sidecar_.revision;
        }
        break;
      case 3:
        Foreign();
        break;
      default:
        Change(static_cast<std::size_t>(Any(static_cast<int>(found_.size()))));
    }
    NoteMissing();
  }

  void Foreign() {
    for (int i = Any(3); i > 0; --i) {
      const ServerKey key = AnyKey();
      if (sidecar_.servers.contains(key)) continue;
      const Endpoint endpoint = AnyEndpoint();
      sidecar_.servers[key] = {"api", endpoint};
      foreign_[key] = endpoint;
      ++sidecar_.revision;
    }
  }

  void Change(std::size_t source) {
    ServerSet servers = found_[source].value_or(ServerSet());
    switch (Any(6)) {
      case 0:
        servers.clear();
        break;
      case 1:
        for (int i = 0; i < 20; ++i) servers[AnyKey()] = AnyEndpoint();
        break;
      case 2:
        std::erase_if(servers, [this](const auto&) { return Chance(2); });
        break;
      default:
        servers[AnyKey()] = AnyEndpoint();
        if (Chance(2)) servers.erase(AnyKey());
    }
    found_[source] = servers;
    reconciler_.SourceFound(source, servers, now_);
    NoteMissing();
  }

  // ---- what must be ----

  bool AllKnown() const {
    return std::ranges::all_of(found_, [](const auto& one) { return one.has_value(); });
  }

  ServerSet Named() const {
    ServerSet named;
    for (const auto& one : found_) {
      if (one) named.insert(one->begin(), one->end());
    }
    return named;
  }
  ServerSet Wanted() const {
    ServerSet wanted = Named();
    std::erase_if(wanted, [this](const auto& entry) { return foreign_.contains(entry.first); });
    return wanted;
  }

  static bool Gone(const ServerKey& key, const Endpoint& endpoint, const ServerSet& from) {
    const auto found = from.find(key);
    return found == from.end() || found->second.url != endpoint.url;
  }

  // Since when the sources do not name what the sidecar was last seen to have, without a break.
  void NoteMissing() {
    const ServerSet named = Named();
    std::erase_if(missing_since_, [&](const auto& entry) {
      const auto found = seen_.find(entry.first);
      return !AllKnown() || found == seen_.end() || !Gone(found->first, found->second, named);
    });
    if (!AllKnown()) return;
    for (const auto& [key, endpoint] : seen_) {
      if (Gone(key, endpoint, named)) missing_since_.try_emplace(key, now_);
    }
  }

  // The sidecar is to have `wanted`: judged by what it was last seen to have.
  void CheckRemoval(const ServerSet& wanted) {
    std::vector<ServerKey> gone;
    for (const auto& [key, endpoint] : seen_) {
      if (Gone(key, endpoint, wanted)) gone.push_back(key);
    }
    sizes_.emplace_back(now_, seen_.size());
    if (gone.empty()) return;
    EXPECT_TRUE(AllKnown()) << "a source that has not answered removed something";
    std::erase_if(sizes_, [this](const auto& one) { return one.first + kWindow <= now_; });
    std::size_t most = 0;
    for (const auto& [when, size] : sizes_) most = std::max(most, size);
    const bool mass = (seen_.size() >= kGuardLeast && 2 * gone.size() > seen_.size()) ||
                      (most >= kGuardLeast && 2 * wanted.size() < most) ||
                      (gone.size() == seen_.size() && seen_.size() >= 2);
    bool stood = true;  // each for the time of a hold
    for (const ServerKey& key : gone) {
      const auto since = missing_since_.find(key);
      stood = stood && since != missing_since_.end() && now_ - since->second >= kHold;
    }
    EXPECT_TRUE(!mass || stood) << gone.size() << " of " << seen_.size() << ", and of " << most
                                << " within the window, went without a hold";
    if (mass) ++holds_;
    if (stood) sizes_.clear();  // what a hold has let go does not count again
  }

  // ---- time ----

  void Advance(milliseconds time) {
    const Time end = now_ + time;
    for (;;) {
      Time next = Drive();
      if (call_) next = std::min(next, call_->acted ? call_->answers : call_->acts);
      if (next > end) break;
      now_ = std::max(now_, next);
      if (call_) Progress();
    }
    now_ = end;
  }

  // Takes the next step; returns when something is to happen without anything coming in.
  Time Drive() {
    const auto step = reconciler_.Next(now_);
    if (step.kind == Kind::kWait) return step.until;
    EXPECT_FALSE(call_) << "two calls in flight";
    if (step.kind == Kind::kReplace) {
      ++replacements_;
      CheckRemoval(step.servers);
    }
    call_.emplace();
    call_->step = step;
    call_->acts = now_ + milliseconds(Chance(5) ? Any(2000) : Any(20));
    call_->answers = call_->acts + milliseconds(Any(20));
    call_->lost = losing_ && Chance(20);
    return call_->acts;
  }

  void Progress() {
    if (!call_->acted && now_ >= call_->acts) {
      call_->acted = true;
      if (away_) {
        call_->refused = true;
      } else {
        Act();
      }
    }
    if (!call_->acted || now_ < call_->answers) return;
    CallInFlight call = *std::exchange(call_, std::nullopt);
    if (call.refused || call.lost) return reconciler_.CallFailed(now_);
    if (call.step.kind == Kind::kList) {
      See(call.owned);
      return reconciler_.ListAnswered(call.list, now_);
    }
    if (call.step.kind == Kind::kHealth) return reconciler_.HealthAnswered(call.health, now_);
    See(call.step.servers);
    reconciler_.ReplaceAnswered(now_);
  }

  void See(const ServerSet& servers) {
    seen_ = servers;
    NoteMissing();
  }

  void Act() {
    if (call_->step.kind == Kind::kReplace) {
      call_->refused = !sidecar_.Replace(call_->step.servers);
      return;
    }
    const auto uptime = std::chrono::floor<milliseconds>(now_ - sidecar_.started);
    call_->health.mutable_uptime()->set_seconds(uptime.count() / 1000);
    call_->health.mutable_uptime()->set_nanos(
        static_cast<std::int32_t>(uptime.count() % 1000 * 1'000'000));
    call_->health.set_revision(sidecar_.revision);
    call_->list.set_revision(sidecar_.revision);
    call_->owned = sidecar_.OwnedBy(kOwner);
    for (const auto& [key, entry] : sidecar_.servers) {
      v1::Server& server = *call_->list.add_servers();
      server.set_pool(key.pool);
      server.set_id(key.id);
      server.set_owner(entry.owner);
      *server.mutable_spec() = ToDesired(key, entry.endpoint).spec();
    }
  }

  std::mt19937 random_;
  Time now_;
  Reconciler reconciler_;
  std::vector<std::optional<ServerSet>> found_;
  Sidecar sidecar_;
  ServerSet foreign_;
  ServerSet seen_;
  bool away_ = false;
  bool losing_ = true;  // some answers
  std::optional<CallInFlight> call_;
  std::map<ServerKey, Time> missing_since_;
  std::vector<std::pair<Time, std::size_t>> sizes_;  // of what was seen before each change
  int holds_ = 0;
  int replacements_ = 0;
};

TEST(ReconcilerHistoriesTest, WhateverHappensTheSidecarEndsWithWhatTheSourcesSay) {
  int holds = 0;
  int replacements = 0;
  for (std::uint32_t seed = 1; seed <= 400 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed, 1 + seed % 3);
    world.Run(120);
    world.ExpectSettled();
    holds += world.holds();
    replacements += world.replacements();
  }
  // Otherwise the histories would say little.
  EXPECT_GT(holds, 100);
  EXPECT_GT(replacements, 4000);
}

}  // namespace
}  // namespace remora::cli::discovery
