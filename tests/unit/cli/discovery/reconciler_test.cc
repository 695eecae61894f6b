#include "cli/discovery/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace remora::cli::discovery {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = Reconciler::Step::Kind;

ServerKey Key(const std::string& id) { return {.pool = "default", .id = id}; }

ServerSet Servers(const std::vector<std::string>& ids) {
  ServerSet servers;
  for (const std::string& id : ids) servers[Key(id)] = {.url = "http://" + id + ":80"};
  return servers;
}

// "s0" to "s<count-1>"
std::vector<std::string> Ids(int count) {
  std::vector<std::string> ids;
  for (int i = 0; i < count; ++i) ids.push_back("s" + std::to_string(i));
  return ids;
}

std::vector<std::string> IdsOf(const ServerSet& servers) {
  std::vector<std::string> ids;
  for (const auto& [key, endpoint] : servers) ids.push_back(key.id);
  return ids;
}

class ReconcilerTest : public testing::Test {
 protected:
  void Make(std::size_t sources = 1) {
    reconciler_.emplace(Reconciler::Options{.owner = "discovery:t", .sources = sources});
  }
  void Pass(milliseconds time) { now_ += time; }
  Reconciler::Step Next() { return reconciler_->Next(now_); }
  Reconciler::Status Status() { return reconciler_->status(); }

  void Find(const std::vector<std::string>& ids, std::size_t source = 0) {
    reconciler_->SourceFound(source, Servers(ids), now_);
  }

  // The next step must be a look at the list; this is what it finds.
  void List(const std::vector<std::string>& own, const std::vector<std::string>& foreign = {}) {
    ASSERT_EQ(Next().kind, Kind::kList);
    own_ = Servers(own);
    ++revision_;
    AnswerList(Servers(foreign));
  }

  void AnswerList(const ServerSet& foreign = {}) {
    v1::ListServersResponse answer;
    answer.set_revision(revision_);
    const auto add = [&answer, this](const ServerSet& servers, const char* owner) {
      for (const auto& [key, endpoint] : servers) {
        v1::Server& server = *answer.add_servers();
        server.set_pool(key.pool);
        server.set_id(key.id);
        server.set_owner(owner);
        *server.mutable_spec() = ToDesired(key, endpoint).spec();
        server.mutable_status()->set_state(v1::ServerStatus::WARMING);
        if (probed_) server.mutable_status()->mutable_last_probe_time()->set_seconds(1);
      }
    };
    add(own_, "discovery:t");
    add(foreign, "api");
    reconciler_->ListAnswered(answer, now_);
  }

  // The next step must be a replacement, which succeeds.
  std::vector<std::string> Replace() {
    const auto step = Next();
    EXPECT_EQ(step.kind, Kind::kReplace);
    own_ = step.servers;
    ++revision_;
    reconciler_->ReplaceAnswered(now_);
    return IdsOf(step.servers);
  }

  v1::HealthResponse HealthOf(std::uint64_t revision) const {
    v1::HealthResponse answer;
    answer.set_revision(revision);
    const auto uptime = std::chrono::duration_cast<milliseconds>(now_ - sidecar_started_);
    answer.mutable_uptime()->set_seconds(uptime.count() / 1000);
    answer.mutable_uptime()->set_nanos(
        static_cast<std::int32_t>(uptime.count() % 1000 * 1'000'000));
    return answer;
  }

  void Health(std::uint64_t revision) {
    ASSERT_EQ(Next().kind, Kind::kHealth);
    reconciler_->HealthAnswered(HealthOf(revision), now_);
  }

  // Lets time pass in which the sidecar is looked at and nothing else happens.
  void PassQuietly(Reconciler::Time until) {
    for (;;) {
      const auto step = Next();
      if (step.kind == Kind::kHealth) {
        reconciler_->HealthAnswered(HealthOf(revision_), now_);
        continue;
      }
      if (step.kind == Kind::kList) {
        AnswerList();
        continue;
      }
      ASSERT_EQ(step.kind, Kind::kWait);
      if (step.until >= until) break;
      now_ = step.until;
    }
    now_ = until;
  }

  // The sidecar has these, and all is quiet.
  void Settle(const std::vector<std::string>& ids) {
    Make();
    Find(ids);
    List(ids);
    Pass(seconds(1));
    ASSERT_EQ(Next().kind, Kind::kWait);
    ASSERT_TRUE(Status().synced_once);
  }

  // The sidecar has one server and has not probed it; the first look for that is due.
  void SettleUnprobed() {
    Make();
    probed_ = false;
    Find({"a"});
    List({"a"});
    Pass(milliseconds(100));
  }

  Reconciler::Time now_{std::chrono::hours(1)};
  Reconciler::Time sidecar_started_{std::chrono::minutes(30)};
  ServerSet own_;       // what the sidecar has of ours
  bool probed_ = true;  // and whether their first probes are over
  std::uint64_t revision_ = 0;
  std::optional<Reconciler> reconciler_;
};

TEST_F(ReconcilerTest, WhatASourceFindsIsSentOnceItIsQuiet) {
  Make();
  List({});
  Find({"a"});
  EXPECT_EQ(Next().until, now_ + milliseconds(100));
  Pass(milliseconds(60));
  Find({"a", "b"});
  EXPECT_EQ(Next().until, now_ + milliseconds(100));
  Pass(milliseconds(100));
  EXPECT_THAT(Replace(), ElementsAre("a", "b"));
  EXPECT_EQ(Next().kind, Kind::kWait);
}

TEST_F(ReconcilerTest, FirstProbesAreLookedForUntilTheyAreOver) {
  Make();
  probed_ = false;
  List({});
  Find({"a", "b"});
  Pass(milliseconds(100));
  Replace();
  auto pause = milliseconds(100);
  for (int look = 0; look < 3; ++look) {
    EXPECT_EQ(Status().unprobed, 2U);
    EXPECT_EQ(Next().until, now_ + pause);
    Pass(pause);
    pause *= 2;
    List({"a", "b"});
    EXPECT_EQ(Next().kind, Kind::kWait);
    EXPECT_TRUE(Status().synced_once);
    EXPECT_FALSE(Status().probed_once);
  }
  probed_ = true;
  Pass(pause);
  List({"a", "b"});
  EXPECT_EQ(Next().until, now_ + seconds(5)) << "from here on only polls";
  EXPECT_TRUE(Status().probed_once);
  // Others that come later are no reason to be unready.
  probed_ = false;
  Find({"a", "b", "c"});
  Pass(milliseconds(100));
  Replace();
  EXPECT_EQ(Next().until, now_ + seconds(5));
  EXPECT_TRUE(Status().probed_once);
}

TEST_F(ReconcilerTest, FirstProbesThatDoNotEndAreNotWaitedForForEver) {
  SettleUnprobed();
  const auto began = now_;
  for (auto step = Next(); !Status().probed_once; step = Next()) {
    if (step.kind == Kind::kList) {
      AnswerList();
      continue;
    }
    ASSERT_EQ(step.kind, Kind::kWait);
    ASSERT_GT(step.until, now_);
    now_ = step.until;
  }
  EXPECT_EQ(now_, began + seconds(5));
}

TEST_F(ReconcilerTest, FirstProbesAreNotWaitedForWhileTheSidecarIsAwayAgain) {
  SettleUnprobed();
  ASSERT_EQ(Next().kind, Kind::kList);
  ASSERT_TRUE(Status().synced_once);
  reconciler_->CallFailed(now_);
  const auto until = now_ + seconds(5);
  while (now_ < until) {
    ASSERT_FALSE(Status().probed_once);
    const auto step = Next();
    if (step.kind == Kind::kWait) {
      now_ = step.until;
    } else {
      reconciler_->CallFailed(now_);
    }
  }
  Next();
  EXPECT_TRUE(Status().probed_once);
}

TEST_F(ReconcilerTest, ABurstThatDoesNotEndIsSentAllTheSame) {
  Settle({"a"});
  std::vector<std::string> ids = {"a"};
  for (int i = 0; i < 6; ++i) {
    ids.push_back("b" + std::to_string(i));
    Find(ids);
    ASSERT_EQ(Next().kind, Kind::kWait) << i;
    Pass(milliseconds(80));
  }
  ids.push_back("c");
  Find(ids);
  Pass(milliseconds(20));
  EXPECT_EQ(Replace().size(), 8U) << "500 ms after its begin";
}

TEST_F(ReconcilerTest, NothingIsRemovedBeforeEverySourceHasAnswered) {
  Make(2);
  List({"old", "both"});
  Find({"both", "new"}, 0);
  Pass(seconds(1));
  EXPECT_THAT(Replace(), ElementsAre("both", "new", "old"));
  EXPECT_FALSE(Status().synced_once);
  Find({"other"}, 1);
  Pass(seconds(1));
  EXPECT_THAT(Replace(), ElementsAre("both", "new", "other"));
  Next();
  EXPECT_TRUE(Status().synced_once);
}

TEST_F(ReconcilerTest, WithoutAnyAnswerOfASourceNothingIsCalledButLooks) {
  Make();
  List({"a"});
  Pass(seconds(4));
  EXPECT_EQ(Next().kind, Kind::kWait);
  Pass(seconds(1));
  Health(revision_);
  EXPECT_EQ(Next().kind, Kind::kWait);
  EXPECT_FALSE(Status().sources_known);
}

TEST_F(ReconcilerTest, ALookAtTheWholeWaitsForEverySource) {
  reconciler_.emplace(
      Reconciler::Options{.owner = "discovery:t", .sources = 2, .only_whole = true});
  List({});
  Find({"a"}, 0);
  Pass(seconds(1));
  EXPECT_EQ(Next().kind, Kind::kWait);
  Find({"b"}, 1);
  Pass(seconds(1));
  EXPECT_THAT(Replace(), ElementsAre("a", "b"));
}

TEST_F(ReconcilerTest, OnlyOneCallIsInFlight) {
  Make();
  ASSERT_EQ(Next().kind, Kind::kList);
  Find({"a"});
  Pass(std::chrono::hours(1));
  EXPECT_EQ(Next().kind, Kind::kWait);
  EXPECT_EQ(Next().until, Reconciler::Time::max());
}

TEST_F(ReconcilerTest, AfterAFailureItWaitsLongerEachTimeAndLooksFirst) {
  Make();
  Find({"a"});
  milliseconds longest{0};
  ASSERT_EQ(Next().kind, Kind::kList);
  for (int i = 0; i < 20; ++i) {
    reconciler_->CallFailed(now_);
    EXPECT_FALSE(Status().sidecar_up);
    auto step = Next();
    if (step.kind == Kind::kWait) {  // a wait may also be none
      const auto wait = std::chrono::ceil<milliseconds>(step.until - now_);
      EXPECT_LE(wait, std::min(milliseconds(200 << std::min(i, 10)), milliseconds(5000)));
      longest = std::max(longest, wait);
      now_ = step.until;
      step = Next();
    }
    ASSERT_EQ(step.kind, Kind::kList);
  }
  EXPECT_GT(longest, milliseconds(1000));
  reconciler_->CallFailed(now_);
  Pass(seconds(5));
  List({});
  EXPECT_THAT(Replace(), ElementsAre("a"));
}

TEST_F(ReconcilerTest, ARefusedReplacementIsTriedAgainFromTheList) {
  Settle({"a"});
  Find({"a", "b"});
  Pass(seconds(1));
  ASSERT_EQ(Next().kind, Kind::kReplace);
  reconciler_->CallFailed(now_);
  Pass(seconds(5));
  List({"a"});
  EXPECT_THAT(Replace(), ElementsAre("a", "b"));
}

TEST_F(ReconcilerTest, AnotherRevisionLeadsToALookAndTheSameToNone) {
  Settle({"a", "b"});
  Pass(seconds(5));
  Health(revision_);
  EXPECT_EQ(Next().kind, Kind::kWait);
  Pass(seconds(5));
  Health(revision_ + 1);
  List({"a"});
  EXPECT_THAT(Replace(), ElementsAre("a", "b")) << "somebody removed b";
}

TEST_F(ReconcilerTest, ARestartIsSeenThoughTheRevisionIsTheSame) {
  Settle({"a"});
  Pass(seconds(5));
  sidecar_started_ = now_ - seconds(1);
  Health(revision_);
  List({});
  EXPECT_THAT(Replace(), ElementsAre("a")) << "between the first look and the first poll";
  PassQuietly(now_ + seconds(11));
  // It runs for longer than it did at the poll before, and is another one all the same.
  sidecar_started_ = now_ + seconds(1);
  Pass(seconds(10));
  Health(revision_);
  List({});
  EXPECT_THAT(Replace(), ElementsAre("a"));
}

TEST_F(ReconcilerTest, EverythingIsLookedAtAgainEachResync) {
  Settle({"a"});
  const auto due = now_ - seconds(1) + std::chrono::minutes(5);  // Settle has looked a second ago
  while (now_ + seconds(5) < due) {
    Pass(seconds(5));
    Health(revision_);
  }
  now_ = due;
  EXPECT_EQ(Next().kind, Kind::kList);
}

TEST_F(ReconcilerTest, AfterAChangeOfOursItLooksWhetherOthersDidSomethingBetween) {
  Settle({"a"});
  Find({"a", "b"});
  Pass(seconds(1));
  EXPECT_THAT(Replace(), ElementsAre("a", "b"));
  EXPECT_EQ(Next().kind, Kind::kWait);
  Pass(seconds(5));
  List({"b"});
  EXPECT_THAT(Replace(), ElementsAre("a", "b"));
}

TEST_F(ReconcilerTest, AServerOfAnotherOwnerStaysAndIsTold) {
  Make();
  Find({"a", "b"});
  List({}, {"b", "x"});
  Pass(seconds(1));
  EXPECT_THAT(Replace(), ElementsAre("a"));
  EXPECT_THAT(Status().conflicts, ElementsAre(Key("b")));
}

TEST_F(ReconcilerTest, AServerThatIsRemovedAndDrainsIsNotThere) {
  Make();
  Find({"a"});
  ASSERT_EQ(Next().kind, Kind::kList);
  v1::ListServersResponse answer;
  v1::Server& server = *answer.add_servers();
  server.set_pool("default");
  server.set_id("a");
  server.set_owner("discovery:t");
  server.mutable_spec()->set_url("http://a:80");
  server.mutable_status()->set_state(v1::ServerStatus::DRAINING);
  reconciler_->ListAnswered(answer, now_);
  Pass(seconds(1));
  EXPECT_THAT(Replace(), ElementsAre("a"));
}

// ---- the guard ----------------------------------------------------------------------------------

TEST_F(ReconcilerTest, HalfMayGoAtOnce) {
  Settle(Ids(10));
  Find(Ids(5));
  Pass(seconds(1));
  EXPECT_EQ(Replace(), Ids(5));
}

TEST_F(ReconcilerTest, MoreThanHalfIsHeldAndCarriedOutIfItStillStands) {
  Settle(Ids(10));
  Find(Ids(4));
  Pass(seconds(1));
  const auto until = now_ + seconds(30);
  EXPECT_EQ(Next().kind, Kind::kWait);
  EXPECT_EQ(Status().held, 6U);
  PassQuietly(until);
  EXPECT_EQ(Replace(), Ids(4));
  Next();
  EXPECT_EQ(Status().held, 0U);
  // What was held and let go does not count again.
  Find(Ids(3));
  Pass(milliseconds(100));
  EXPECT_EQ(Replace(), Ids(3));
}

TEST_F(ReconcilerTest, WhatComesBackEndsTheHold) {
  Settle(Ids(10));
  Find(Ids(1));
  Pass(seconds(1));
  Next();
  ASSERT_EQ(Status().held, 9U);
  Pass(seconds(1));
  Find(Ids(10));
  Pass(milliseconds(100));
  EXPECT_EQ(Next().kind, Kind::kWait);
  EXPECT_EQ(Status().held, 0U);
}

TEST_F(ReconcilerTest, WhatCameBackForAMomentIsHeldForTheWholeTimeAgain) {
  Settle(Ids(10));
  Find(Ids(1));
  Pass(seconds(1));
  PassQuietly(now_ + seconds(20));
  ASSERT_EQ(Status().held, 9U);
  Find(Ids(10));  // and away before anything was sent
  Pass(milliseconds(50));
  Find(Ids(1));
  PassQuietly(now_ + seconds(20));
  EXPECT_EQ(Status().held, 9U);
  PassQuietly(now_ + seconds(10) + milliseconds(100));
  EXPECT_EQ(Replace(), Ids(1));
}

TEST_F(ReconcilerTest, SmallStepsWithinTheWindowCountTogether) {
  Settle(Ids(10));
  for (const int left : {8, 6, 5}) {
    Find(Ids(left));
    Pass(seconds(1));
    ASSERT_EQ(Replace().size(), static_cast<std::size_t>(left));
    ASSERT_EQ(Next().kind, Kind::kWait);
  }
  Find(Ids(4));
  Pass(seconds(1));
  Next();
  EXPECT_EQ(Status().held, 1U);
}

TEST_F(ReconcilerTest, SlowStepsDoNot) {
  Settle(Ids(10));
  for (const int left : {6, 3, 2, 1}) {
    Find(Ids(left));
    Pass(milliseconds(100));
    ASSERT_EQ(Replace().size(), static_cast<std::size_t>(left));
    PassQuietly(now_ + seconds(11));
  }
}

TEST_F(ReconcilerTest, FewMayGoButNotAllOfThem) {
  Settle(Ids(6));
  Find(Ids(2));
  Pass(milliseconds(100));
  EXPECT_EQ(Replace(), Ids(2));
  Find({});
  Pass(milliseconds(100));
  EXPECT_EQ(Next().kind, Kind::kWait);
  EXPECT_EQ(Status().held, 2U);
}

TEST_F(ReconcilerTest, TheOnlyOneMayGo) {
  Settle({"a"});
  Find({});
  Pass(milliseconds(100));
  EXPECT_THAT(Replace(), IsEmpty());
}

TEST_F(ReconcilerTest, WhereAllAreReplacedTheNewOnesComeAtOnceAndTheOldGoLater) {
  Settle({"a", "b"});
  Find({"c", "d"});
  Pass(milliseconds(100));
  EXPECT_THAT(Replace(), ElementsAre("a", "b", "c", "d"));
  Next();
  EXPECT_EQ(Status().held, 2U);
  Pass(seconds(30));
  EXPECT_THAT(Replace(), ElementsAre("c", "d"));
}

TEST_F(ReconcilerTest, ARollingUpdateIsNeverHeld) {
  // As Deployments do it: a quarter may be missing, a quarter may be too many.
  for (const bool first_new : {true, false}) {
    Settle(Ids(12));
    std::vector<std::string> ids = Ids(12);
    const auto step = [&](const std::vector<std::string>& servers) {
      Find(servers);
      Pass(milliseconds(200));
      Replace();
      ASSERT_EQ(Next().kind, Kind::kWait);
      ASSERT_EQ(Status().held, 0U) << "new ones first: " << first_new;
    };
    for (int i = 0; i < 12; i += 3) {
      const auto add = [&] {
        for (int n = 0; n < 3; ++n) ids.push_back("t" + std::to_string(i + n));
      };
      if (first_new) {
        add();
        step(ids);
      }
      ids.erase(ids.begin(), ids.begin() + 3);
      step(ids);
      if (!first_new) {
        add();
        step(ids);
      }
    }
    ASSERT_EQ(ids.size(), 12U);
  }
}

TEST_F(ReconcilerTest, AnotherUrlUnderTheSameIdCountsAsGone) {
  Settle(Ids(10));
  ServerSet moved = Servers(Ids(10));
  for (auto& [key, endpoint] : moved) endpoint.url += "/moved";
  reconciler_->SourceFound(0, moved, now_);
  Pass(seconds(1));
  EXPECT_EQ(Next().kind, Kind::kWait);
  EXPECT_EQ(Status().held, 10U);
  Pass(seconds(30));
  const auto step = Next();
  EXPECT_EQ(step.servers, moved);
}

TEST_F(ReconcilerTest, AnotherWeightOfAllIsNoRemoval) {
  Settle(Ids(10));
  ServerSet heavier = Servers(Ids(10));
  for (auto& [key, endpoint] : heavier) endpoint.weight = 5;
  reconciler_->SourceFound(0, heavier, now_);
  Pass(seconds(1));
  EXPECT_EQ(Next().servers, heavier);
}

TEST_F(ReconcilerTest, TheHoldBeginsWhenTheLastSourceAnswersNotBefore) {
  Make(2);
  List(Ids(10));
  Find({"s0"}, 0);
  PassQuietly(now_ + std::chrono::minutes(1));
  Find({}, 1);
  Pass(milliseconds(100));
  PassQuietly(now_);
  EXPECT_EQ(Status().held, 9U);
}

}  // namespace
}  // namespace remora::cli::discovery
