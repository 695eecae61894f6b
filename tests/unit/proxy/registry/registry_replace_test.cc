// Registry::Replace: an owner's whole list, applied in one step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proxy/base/status.h"
#include "proxy/registry/registry.h"
#include "tests/support/pool.h"

namespace remora::proxy {
namespace {

using Kind = ServerChange::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

DesiredServer Want(std::string id, std::string url, std::uint32_t weight = 1,
                   std::string pool = "default") {
  return {.pool = std::move(pool),
          .id = std::move(id),
          .spec = {.url = std::move(url), .weight = weight, .max_active = 0, .labels = {}}};
}

class RegistryReplaceTest : public ::testing::Test {
 protected:
  RegistryReplaceTest() {
    registry_.Subscribe([this] { ++notified_; });
  }

  ReplaceResult ReplaceOk(std::vector<DesiredServer> desired, ReplaceOptions options = {}) {
    auto result = registry_.Replace("config", std::move(desired), options);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : ReplaceResult();
  }
  ServerView GetOk(std::string_view id) {
    auto view = registry_.Get("default", id);
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? *view : ServerView();
  }
  void MakeHealthy(std::string_view id) {
    testing::ReportState(registry_, GetOk(id).uid, ServerState::kActive);
  }
  const BackendSet& Set() {
    held_ = registry_.snapshot();
    return *held_->pools.at(0);
  }
  ActiveRequest StartRequest(std::string_view id) { return testing::StartRequest(Set(), id); }
  static std::vector<std::pair<std::string, Kind>> Kinds(const ReplaceResult& result) {
    std::vector<std::pair<std::string, Kind>> kinds;
    for (const ServerChange& change : result.changes) kinds.emplace_back(change.id, change.kind);
    return kinds;
  }
  std::vector<std::string> Ids() {
    std::vector<std::string> ids;
    const auto page = registry_.List("", std::nullopt, 100);
    for (const ServerView& view : page->servers) {
      ids.push_back(view.id);
    }
    return ids;
  }

  testing::RecordingEvents events_;
  Registry registry_{{"default", "other"}, &events_};
  std::shared_ptr<const Snapshot> held_;
  int notified_ = 0;
};

TEST_F(RegistryReplaceTest, TheFirstListIsAddedInOneStep) {
  const std::uint64_t generation = registry_.generation();
  const ReplaceResult result = ReplaceOk({Want("b", "h:2"), Want("a", "h:1"), Want("", "h:3")});
  EXPECT_THAT(Kinds(result),
              ElementsAre(Pair("a", Kind::kAdd), Pair("b", Kind::kAdd), Pair("h-3", Kind::kAdd)));
  EXPECT_EQ(registry_.generation(), generation + 1) << "published once";
  EXPECT_EQ(notified_, 1);
  EXPECT_EQ(GetOk("a").owner, "config");
  EXPECT_EQ(result.revision, registry_.snapshot()->revision);
}

TEST_F(RegistryReplaceTest, OnlyWhatDiffersIsTouched) {
  ReplaceOk({Want("gone", "h:1"), Want("moved", "h:2"), Want("same", "h:3"), Want("w", "h:4")});
  const ServerView same = GetOk("same");
  const ServerView moved = GetOk("moved");
  const ReplaceResult result = ReplaceOk(
      {Want("moved", "h:22"), Want("new", "h:5"), Want("same", "http://h:3"), Want("w", "h:4", 7)});
  EXPECT_THAT(Kinds(result), ElementsAre(Pair("gone", Kind::kRemove), Pair("moved", Kind::kReplace),
                                         Pair("new", Kind::kAdd), Pair("w", Kind::kUpdate)));
  EXPECT_EQ(result.unchanged, 1U);
  EXPECT_EQ(GetOk("same").uid, same.uid);
  EXPECT_EQ(GetOk("same").revision, same.revision);
  EXPECT_NE(GetOk("moved").uid, moved.uid);
  EXPECT_EQ(GetOk("moved").spec.url, "http://h:22");
  EXPECT_THAT(Ids(), ElementsAre("moved", "new", "same", "w"));
}

TEST_F(RegistryReplaceTest, TheSameListAgainPublishesNothing) {
  ReplaceOk({Want("a", "h:1")});
  const std::uint64_t generation = registry_.generation();
  const ReplaceResult result = ReplaceOk({Want("a", "h:1")});
  EXPECT_THAT(result.changes, IsEmpty());
  EXPECT_EQ(result.unchanged, 1U);
  EXPECT_EQ(registry_.generation(), generation);
  EXPECT_EQ(notified_, 1);
}

TEST_F(RegistryReplaceTest, AnotherWeightKeepsTheBackendItsHealthAndItsRequests) {
  ReplaceOk({Want("a", "127.0.0.1:1")});
  MakeHealthy("a");
  const ServerView before = GetOk("a");
  const ActiveRequest running = StartRequest("a");
  DesiredServer wanted = Want("a", "127.0.0.1:1", 5);
  wanted.spec.max_active = 9;
  wanted.spec.labels["zone"] = "b";
  ReplaceOk({wanted});
  const ServerView after = GetOk("a");
  EXPECT_EQ(after.uid, before.uid);
  EXPECT_EQ(after.created, before.created);
  EXPECT_EQ(after.state, ServerState::kActive);
  EXPECT_EQ(after.active, 1U);
  EXPECT_GT(after.revision, before.revision);
  EXPECT_EQ(after.spec.labels.at("zone"), "b");
  ASSERT_EQ(Set().eligible.size(), 1U);
  EXPECT_EQ(Set().eligible[0].backend, running.backend());
  EXPECT_EQ(Set().eligible[0].weight, 5U);
  EXPECT_EQ(Set().eligible[0].max_active, 9U);
  EXPECT_EQ(Set().max_weight, 5U);
}

TEST_F(RegistryReplaceTest, WhatLeavesDrainsAndIsNotPickedAnyMore) {
  ReplaceOk({Want("a", "127.0.0.1:1"), Want("b", "127.0.0.1:2")});
  MakeHealthy("a");
  MakeHealthy("b");
  ActiveRequest running_a = StartRequest("a");
  const ActiveRequest running_b = StartRequest("b");
  ReplaceOk({Want("b", "127.0.0.1:3")}, {.drain_timeout = std::chrono::seconds(7)});
  EXPECT_TRUE(running_a.backend()->admission().Load().closed());
  EXPECT_TRUE(running_b.backend()->admission().Load().closed());
  EXPECT_THAT(Set().eligible, IsEmpty());
  EXPECT_EQ(GetOk("a").state, ServerState::kDraining);
  EXPECT_EQ(GetOk("b").state, ServerState::kWarming) << "the new one";
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "b"));
  for (const Registry::Draining& draining : registry_.DrainingBackends()) {
    EXPECT_LE(draining.deadline, Clock::now() + std::chrono::seconds(7));
  }
  EXPECT_THAT(events_.drained(), IsEmpty());
  const std::string uid = running_a.backend()->uid();
  running_a.Reset();
  EXPECT_THAT(events_.drained(), ElementsAre(uid));
}

TEST_F(RegistryReplaceTest, EntriesOfOthersStay) {
  ASSERT_TRUE(registry_.Add("", "mine", {.url = "h:9", .labels = {}}, "api").ok());
  ReplaceOk({Want("a", "h:1")});
  ReplaceOk({});
  EXPECT_THAT(Ids(), ElementsAre("mine"));
}

TEST_F(RegistryReplaceTest, AnIdOfAnotherOwnerIsAnErrorThatChangesNothing) {
  ASSERT_TRUE(registry_.Add("", "mine", {.url = "h:9", .labels = {}}, "api").ok());
  ReplaceOk({Want("a", "h:1"), Want("b", "h:2")});
  const std::uint64_t generation = registry_.generation();
  const auto result =
      registry_.Replace("config", {Want("a", "h:7"), Want("mine", "h:9"), Want("new", "h:3")});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(result.status()), "SERVER_OF_ANOTHER_OWNER");
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("server 'mine' of pool 'default' belongs to 'api'"));
  EXPECT_EQ(registry_.generation(), generation);
  EXPECT_EQ(GetOk("a").spec.url, "http://h:1");
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "mine"));
}

TEST_F(RegistryReplaceTest, ADryRunTellsTheSameAndChangesNothing) {
  ReplaceOk({Want("a", "h:1"), Want("b", "h:2")});
  const std::uint64_t generation = registry_.generation();
  const std::vector<DesiredServer> wanted{Want("b", "h:2", 3), Want("c", "h:3", 1, "other")};
  const ReplaceResult told = ReplaceOk(wanted, {.dry_run = true});
  EXPECT_EQ(registry_.generation(), generation);
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
  EXPECT_EQ(Kinds(told), Kinds(ReplaceOk(wanted)));
  EXPECT_THAT(Kinds(told), ElementsAre(Pair("a", Kind::kRemove), Pair("b", Kind::kUpdate),
                                       Pair("c", Kind::kAdd)));
  EXPECT_EQ(told.changes[1].before.weight, 1U);
  EXPECT_EQ(told.changes[1].after.weight, 3U);
}

TEST_F(RegistryReplaceTest, AListMadeForAnotherRevisionChangesNothing) {
  ReplaceOk({Want("a", "h:1")});
  const std::uint64_t revision = registry_.snapshot()->revision;
  ASSERT_TRUE(registry_.Add("", "mine", {.url = "h:9", .labels = {}}, "api").ok());
  const auto late =
      registry_.Replace("config", {Want("b", "h:2")}, {.if_revision = revision}).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(late), "REVISION_CHANGED");
  EXPECT_THAT(Ids(), ElementsAre("a", "mine"));
  ReplaceOk({Want("b", "h:2")}, {.if_revision = registry_.snapshot()->revision});
  EXPECT_THAT(Ids(), ElementsAre("b", "mine"));
}

TEST_F(RegistryReplaceTest, ABadListIsRefusedWholeAndNamesTheServer) {
  ReplaceOk({Want("a", "h:1")});
  const auto violations = [this](std::vector<DesiredServer> desired) {
    return ViolationsOf(registry_.Replace("config", std::move(desired)).status());
  };
  const auto weight = violations({Want("a", "h:1"), Want("b", "h:2", 0)});
  ASSERT_EQ(weight.size(), 1U);
  EXPECT_EQ(weight[0].field, "servers[1].spec.weight");
  const auto twice = violations({Want("x", "h:1"), Want("x", "h:2")});
  ASSERT_EQ(twice.size(), 1U);
  EXPECT_EQ(twice[0].field, "servers[1].id");
  const auto pool = registry_.Replace("config", {Want("x", "h:1", 1, "nope")}).status();
  EXPECT_EQ(pool.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(pool.message()), HasSubstr("servers[0]: no pool 'nope'"));
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_F(RegistryReplaceTest, AListThatDoesNotFitChangesNothing) {
  std::vector<DesiredServer> desired;
  for (std::size_t i = 0; i < Registry::kMaxServers; ++i) {
    desired.push_back(Want("s" + std::to_string(i), "h:1"));
  }
  ReplaceOk(desired);
  desired.push_back(Want("more", "h:2"));
  const auto full = registry_.Replace("config", desired).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  desired.erase(desired.begin());
  EXPECT_THAT(Kinds(ReplaceOk(desired)),
              ElementsAre(Pair("more", Kind::kAdd), Pair("s0", Kind::kRemove)));
}

}  // namespace
}  // namespace remora::proxy
