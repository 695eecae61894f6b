// Drain, Undrain and Update: the intent of an operator beside the health of a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/balance/least_active.h"
#include "proxy/base/status.h"
#include "proxy/registry/registry.h"
#include "tests/support/pool.h"

namespace remora::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RegistryDrainTest : public ::testing::Test {
 protected:
  ServerView AddActive(std::string_view id) {
    auto added = registry_.Add("default", id, {.url = "127.0.0.1:9001", .labels = {}}, "api");
    EXPECT_TRUE(added.ok()) << added.status();
    Report(added->server, ServerState::kActive, "probe: HTTP 200");
    return Get(id);
  }
  void Report(const ServerView& server, ServerState state, std::string reason) {
    testing::ReportState(registry_, server.uid, state, std::move(reason));
  }
  ServerView Get(std::string_view id) {
    auto got = registry_.Get("default", id);
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? *got : ServerView{};
  }
  ServerView DrainOk(std::string_view id, std::optional<milliseconds> timeout = std::nullopt) {
    auto drained = registry_.Drain("default", id, timeout);
    EXPECT_TRUE(drained.ok()) << drained.status();
    return drained.ok() ? *drained : ServerView{};
  }
  ServerView UndrainOk(std::string_view id) {
    auto opened = registry_.Undrain("default", id);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *opened : ServerView{};
  }
  std::shared_ptr<const BackendSet> Set() { return registry_.snapshot()->pools.at(0); }
  // As a worker that looks at the published set.
  Result<ActiveRequest> Pick() { return policy_.Pick(*(held_ = Set()), {}); }

  testing::RecordingEvents events_;
  Registry registry_{{"default", "other"}, &events_};
  LeastActive policy_;
  std::shared_ptr<const BackendSet> held_;
};

TEST_F(RegistryDrainTest, ADrainedServerIsListedAndNotPicked) {
  AddActive("a");
  auto running = Pick();
  ASSERT_TRUE(running);
  const auto before = WallClock::now();
  const std::uint64_t revision = Get("a").revision;
  const ServerView drained = DrainOk("a", seconds(10));
  EXPECT_EQ(drained.state, ServerState::kDraining);
  EXPECT_TRUE(drained.drained);
  EXPECT_EQ(drained.active, 1u);
  EXPECT_GT(drained.revision, revision);
  EXPECT_GE(*drained.drain_deadline, before + seconds(10));
  EXPECT_LE(*drained.drain_deadline, WallClock::now() + seconds(10));
  EXPECT_EQ(drained.reason, "drained by an operator; probe: HTTP 200");
  EXPECT_FALSE(Pick());
  EXPECT_THAT(Set()->eligible, IsEmpty());
  EXPECT_EQ(Set()->backends.size(), 1u) << "it is probed on";
  EXPECT_EQ(Set()->total, 1u);
  EXPECT_EQ(registry_.Totals()[0].draining, 1u);
}

TEST_F(RegistryDrainTest, ItStaysListedWhenItsLastRequestEnds) {
  const ServerView server = AddActive("a");
  auto running = Pick();
  ASSERT_TRUE(running);
  DrainOk("a");
  running->Reset();
  EXPECT_THAT(events_.drained(), IsEmpty()) << "only of a removed one the end is told";
  registry_.EraseDrained(server.uid);
  EXPECT_EQ(Get("a").active, 0u);
  EXPECT_TRUE(Get("a").drained);
}

TEST_F(RegistryDrainTest, UndrainGivesTheStateThatProbesFoundMeanwhile) {
  const ServerView server = AddActive("a");
  DrainOk("a");
  Report(server, ServerState::kUnhealthy, "probe: connect refused");
  EXPECT_EQ(Get("a").state, ServerState::kDraining) << "health and intent don't mix";
  EXPECT_EQ(Get("a").reason, "drained by an operator; probe: connect refused");
  const ServerView sick = UndrainOk("a");
  EXPECT_EQ(sick.state, ServerState::kUnhealthy);
  EXPECT_FALSE(sick.drained);
  EXPECT_FALSE(sick.drain_deadline);
  EXPECT_EQ(sick.uid, server.uid);
  EXPECT_FALSE(Pick());
  DrainOk("a");
  Report(server, ServerState::kActive, "probe: HTTP 200");
  EXPECT_FALSE(Pick());
  EXPECT_EQ(UndrainOk("a").state, ServerState::kActive);
  EXPECT_EQ(Get("a").reason, "probe: HTTP 200");
  EXPECT_TRUE(Pick());
}

TEST_F(RegistryDrainTest, ARequestThatStillRanGoesOnAfterUndrain) {
  AddActive("a");
  auto running = Pick();
  ASSERT_TRUE(running);
  DrainOk("a", milliseconds(0));
  ASSERT_EQ(registry_.DrainingBackends().size(), 1u) << "the proxy cuts it";
  UndrainOk("a");
  EXPECT_THAT(registry_.DrainingBackends(), IsEmpty());
  EXPECT_EQ(Get("a").active, 1u);
}

TEST_F(RegistryDrainTest, WithNothingLeftToRunThereIsNothingToCut) {
  AddActive("a");
  DrainOk("a", milliseconds(0));
  EXPECT_THAT(registry_.DrainingBackends(), IsEmpty());
}

TEST_F(RegistryDrainTest, DrainingAgainCanOnlyShortenTheDeadline) {
  AddActive("a");
  const ServerView first = DrainOk("a", seconds(20));
  const ServerView same = DrainOk("a");
  EXPECT_EQ(same.revision, first.revision);
  EXPECT_EQ(DrainOk("a", seconds(30)).drain_deadline, first.drain_deadline);
  const ServerView nearer = DrainOk("a", seconds(5));
  EXPECT_LT(*nearer.drain_deadline, *first.drain_deadline);
  EXPECT_GT(nearer.revision, first.revision);
}

TEST_F(RegistryDrainTest, UndrainOfAServerThatIsNotDrainedChangesNothing) {
  const ServerView server = AddActive("a");
  EXPECT_EQ(UndrainOk("a").revision, server.revision);
  EXPECT_TRUE(Pick());
}

TEST_F(RegistryDrainTest, AddingTheSameLeavesItDrained) {
  AddActive("a");
  DrainOk("a");
  const auto again = registry_.Add("", "a", {.url = "127.0.0.1:9001", .labels = {}}, "api");
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->created);
  EXPECT_TRUE(again->server.drained);
}

TEST_F(RegistryDrainTest, ARemovedOneWithoutRequestsIsGoneAtOnce) {
  AddActive("a");
  DrainOk("a");
  ASSERT_TRUE(registry_.Remove("default", "a", std::nullopt).ok());
  EXPECT_FALSE(registry_.Get("default", "a").ok());
}

TEST_F(RegistryDrainTest, RemovalKeepsTheDeadlineOfTheDrainUnlessANearerOneIsGiven) {
  for (const auto& [timeout, kept] : std::vector<std::pair<std::optional<milliseconds>, bool>>{
           {std::nullopt, true}, {seconds(60), true}, {seconds(5), false}}) {
    const ServerView server = AddActive("a");
    auto running = Pick();
    ASSERT_TRUE(running);
    const ServerView drained = DrainOk("a", seconds(20));
    const auto removed = registry_.Remove("default", "a", timeout);
    ASSERT_TRUE(removed.ok());
    EXPECT_FALSE(removed->server.drained);
    EXPECT_EQ(removed->server.drain_deadline == drained.drain_deadline, kept);
    running->Reset();
    EXPECT_EQ(events_.drained().back(), server.uid) << "its last request ends a removed one";
    registry_.EraseDrained(server.uid);
    EXPECT_FALSE(registry_.Get("default", "a").ok());
  }
}

TEST_F(RegistryDrainTest, OneThatWasRemovedIsNeitherDrainedNorOpenedNorChanged) {
  AddActive("a");
  auto running = Pick();
  ASSERT_TRUE(running);
  ASSERT_TRUE(registry_.Remove("default", "a", seconds(30)).ok());
  for (const absl::Status& status : {registry_.Drain("default", "a", std::nullopt).status(),
                                     registry_.Undrain("default", "a").status(),
                                     registry_.Update("default", "a", {.weight = 2}).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReasonOf(status), "SERVER_REMOVED");
  }
}

TEST_F(RegistryDrainTest, ErrorsNameWhatIsWrong) {
  AddActive("a");
  EXPECT_EQ(ReasonOf(registry_.Drain("", "b", std::nullopt).status()), "SERVER_NOT_FOUND");
  EXPECT_EQ(ReasonOf(registry_.Undrain("nope", "a").status()), "POOL_NOT_FOUND");
  EXPECT_EQ(ReasonOf(registry_.Update("", "A", {}).status()), "INVALID_FIELD");
  for (const milliseconds timeout : {milliseconds(-1), milliseconds(3'600'001)}) {
    const auto refused = registry_.Drain("", "a", timeout);
    ASSERT_EQ(ReasonOf(refused.status()), "INVALID_FIELD");
    EXPECT_EQ(ViolationsOf(refused.status())[0].field, "drain_timeout");
  }
  EXPECT_FALSE(Get("a").drained);
}

TEST_F(RegistryDrainTest, EachChangeIsPublishedAndTold) {
  AddActive("a");
  int told = 0;
  const std::uint64_t observer = registry_.Subscribe([&] { ++told; });
  std::uint64_t generation = registry_.generation();
  const auto moved = [&] {
    return std::exchange(generation, registry_.generation()) != generation;
  };
  DrainOk("a");
  EXPECT_TRUE(moved());
  UndrainOk("a");
  EXPECT_TRUE(moved());
  ASSERT_TRUE(registry_.Update("", "a", {.weight = 2}).ok());
  EXPECT_TRUE(moved());
  EXPECT_EQ(told, 3);
  registry_.Unsubscribe(observer);
}

// ---- update -------------------------------------------------------------------------------------

TEST_F(RegistryDrainTest, UpdateKeepsTheBackendAndItsRequests) {
  const ServerView server = AddActive("a");
  auto running = Pick();
  ASSERT_TRUE(running);
  const Backend* const backend = running->backend();
  const auto updated = registry_.Update(
      "", "a",
      {.weight = 7, .max_active = 2, .labels = std::map<std::string, std::string>{{"zone", "x"}}});
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_TRUE(updated->changed);
  EXPECT_EQ(updated->server.uid, server.uid);
  EXPECT_EQ(updated->server.state, ServerState::kActive);
  EXPECT_EQ(updated->server.active, 1u);
  EXPECT_GT(updated->server.revision, server.revision);
  const auto set = Set();
  ASSERT_EQ(set->eligible.size(), 1u);
  EXPECT_EQ(set->eligible[0].backend, backend);
  EXPECT_EQ(set->eligible[0].weight, 7u);
  EXPECT_EQ(set->eligible[0].max_active, 2u);
  auto second = Pick();
  EXPECT_TRUE(second);
  EXPECT_FALSE(Pick()) << "the new max_active holds";
}

TEST_F(RegistryDrainTest, WhatIsNotGivenStaysAsItIs) {
  AddActive("a");
  ASSERT_TRUE(registry_.Update("", "a", {.weight = 7, .max_active = 2}).ok());
  const auto updated = registry_.Update("", "a", {.max_active = 3});
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(updated->server.spec.weight, 7u);
  EXPECT_EQ(updated->server.spec.max_active, 3u);
  const auto same = registry_.Update("", "a", {.url = "HTTP://127.0.0.1:9001/", .weight = 7});
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_FALSE(same->changed);
  EXPECT_EQ(same->server.revision, updated->server.revision);
}

TEST_F(RegistryDrainTest, AnotherUrlIsRefusedWithWhatToDo) {
  AddActive("a");
  const auto refused = registry_.Update("", "a", {.url = "127.0.0.1:9002", .weight = 7});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(ViolationsOf(refused.status()).size(), 1u);
  EXPECT_EQ(ViolationsOf(refused.status())[0].field, "spec.url");
  EXPECT_THAT(ViolationsOf(refused.status())[0].description,
              HasSubstr("remove the server and add it with the new url"));
  EXPECT_EQ(Get("a").spec.weight, 1u) << "nothing is changed by half";
  EXPECT_FALSE(registry_.Update("", "a", {.weight = 1001}).ok());
  EXPECT_FALSE(registry_.Update("", "a", {.weight = 0}).ok());
}

TEST_F(RegistryDrainTest, ADrainedServerIsUpdatedAndStaysDrained) {
  AddActive("a");
  DrainOk("a");
  const auto updated = registry_.Update("", "a", {.weight = 3});
  ASSERT_TRUE(updated.ok());
  EXPECT_TRUE(updated->server.drained);
  EXPECT_FALSE(Pick());
}

// ---- threads ------------------------------------------------------------------------------------

// Workers pick and finish with sets that may be old while an operator drains and opens. A pick that
// began after Drain had returned, and ended before Undrain was called, must never succeed.
TEST_F(RegistryDrainTest, NothingIsPickedAfterDrainReturnedWhateverSetAWorkerHolds) {
  constexpr int kRounds = 100;
  constexpr int kThreads = 3;
  AddActive("a");
  std::atomic<int> drains = 0;  // odd: drained
  std::atomic<int> late = 0;
  std::atomic<std::uint64_t> picked = 0;
  std::atomic<bool> stop = false;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, old = Set()]() mutable {
        LeastActive policy;
        for (std::uint64_t i = 0; !stop; ++i) {
          if (i % 64 == 0) old = Set();
          const int before = drains;
          auto request = policy.Pick(*old, {});
          const int after = drains;
          if (!request) continue;
          ++picked;
          if (before == after && before % 2 == 1) ++late;
        }
      });
    }
    for (int round = 0; round < kRounds; ++round) {
      const std::uint64_t seen = picked;
      while (picked == seen) std::this_thread::yield();  // it takes traffic again
      DrainOk("a", seconds(30));
      ++drains;
      while (Get("a").active != 0) std::this_thread::yield();
      EXPECT_EQ(Get("a").active, 0u);
      ++drains;
      UndrainOk("a");
    }
    stop = true;
  }
  EXPECT_EQ(late, 0);
  EXPECT_GE(picked, static_cast<std::uint64_t>(kRounds));
  EXPECT_THAT(events_.drained(), IsEmpty());
}

// Drained, opened and at last removed while requests come and go: its end is told exactly once if
// anything ran at the removal, else never, and not before.
TEST_F(RegistryDrainTest, TheEndIsToldOnceAndOnlyOfTheRemoval) {
  constexpr int kRounds = 200;
  constexpr int kThreads = 3;
  for (int round = 0; round < kRounds; ++round) {
    const ServerView server = AddActive("a");
    const std::size_t told = events_.drained().size();
    std::barrier start(kThreads + 1);
    std::vector<std::jthread> threads;
    const auto set = Set();
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        LeastActive policy;
        start.arrive_and_wait();
        for (int i = 0; i < 200; ++i) {
          const auto request = policy.Pick(*set, {});
        }
      });
    }
    start.arrive_and_wait();
    for (int i = 0; i < 5; ++i) {
      DrainOk("a", seconds(30));
      UndrainOk("a");
    }
    DrainOk("a", seconds(30));
    const auto removed = registry_.Remove("default", "a", seconds(30));
    ASSERT_TRUE(removed.ok());
    threads.clear();
    const std::size_t now_told = events_.drained().size() - told;
    // `active` of the answer may have been read before the last ones ended.
    EXPECT_LE(now_told, 1u);
    if (removed->server.active > 0) EXPECT_EQ(now_told, 1u);
    const bool still_listed = registry_.Get("default", "a").ok();
    EXPECT_EQ(still_listed, now_told == 1);
    if (still_listed) registry_.EraseDrained(server.uid);
  }
}

}  // namespace
}  // namespace remora::proxy
