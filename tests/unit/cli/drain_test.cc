#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands/commands.h"
#include "cli/commands/lookup.h"
#include "tests/unit/cli/fake_control_client.h"

namespace remora::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

v1::Server Drained(std::uint32_t running) {
  v1::Server server = MakeDraining("a", "http://a:1", seconds(30));
  server.mutable_status()->set_drained(true);
  server.mutable_status()->set_active_requests(running);
  return server;
}

TEST(ServersDrainTest, WhatWasGivenIsSent) {
  Bench bench;
  *bench.client.drain_reply->mutable_server() = Drained(2);
  ASSERT_TRUE(
      ServersDrain({.server = "blue/a", .drain_timeout = milliseconds(1500)}, bench.context()));
  EXPECT_EQ(bench.client.drained.pool(), "blue");
  EXPECT_EQ(bench.client.drained.id(), "a");
  EXPECT_EQ(bench.client.drained.drain_timeout().seconds(), 1);
  EXPECT_EQ(bench.client.drained.drain_timeout().nanos(), 500'000'000);
  EXPECT_EQ(bench.err.str(),
            "Drained default/a: it gets no new requests; 2 still run, at most 30s.\n");
  EXPECT_THAT(bench.out.str(), HasSubstr("DRAINING"));
  ASSERT_TRUE(ServersDrain({.server = "a"}, bench.context()));
  EXPECT_FALSE(bench.client.drained.has_drain_timeout());
}

TEST(ServersDrainTest, WaitEndsWithItsLastRequestAndShowsItAsItIsThen) {
  Bench bench;
  *bench.client.drain_reply->mutable_server() = Drained(2);
  bench.client.get_replies = {Drained(2), Drained(1), Drained(0)};
  ASSERT_TRUE(ServersDrain({.server = "a", .wait = true}, bench.context()));
  EXPECT_EQ(bench.client.gets, 3);
  EXPECT_THAT(bench.err.str(), HasSubstr("Its last request has ended.\n"));
  EXPECT_THAT(bench.out.str(), HasSubstr("default   DRAINING   1        0 "));
}

TEST(ServersDrainTest, WaitEndsWhenSomebodyElseOpensOrRemovesIt) {
  v1::Server removed = Drained(2);
  removed.mutable_status()->set_drained(false);
  for (const auto& [found, what] :
       {std::pair(MakeServer("a", "http://a:1"), "opened again"), std::pair(removed, "removed")}) {
    Bench bench;
    *bench.client.drain_reply->mutable_server() = Drained(2);
    bench.client.get_reply = found;
    const Outcome outcome = ServersDrain({.server = "a", .wait = true}, bench.context());
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().exit, ExitCode::kPrecondition);
    EXPECT_THAT(outcome.error().message, HasSubstr(what));
  }
}

TEST(ServersDrainTest, WaitGivesUpOnceTheDeadlineHasPassed) {
  Bench bench;
  *bench.client.drain_reply->mutable_server() = Drained(2);
  bench.client.get_reply = Drained(1);
  const Outcome outcome = ServersDrain({.server = "a", .wait = true}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kTimeout);
  EXPECT_EQ(outcome.error().message, "default/a still has 1 requests after 35s");
}

TEST(ServersUndrainTest, ItSaysWhetherTheServerTakesTraffic) {
  for (const auto& [state, text] :
       {std::pair(v1::ServerStatus::ACTIVE, "default/a takes traffic again.\n"),
        std::pair(v1::ServerStatus::UNHEALTHY,
                  "default/a is open again; it takes traffic once a probe passes.\n")}) {
    Bench bench;
    *bench.client.undrain_reply->mutable_server() = MakeServer("a", "http://a:1", state);
    ASSERT_TRUE(ServersUndrain({.server = "a", .pool = "blue"}, bench.context()));
    EXPECT_EQ(bench.client.undrained.pool(), "blue");
    EXPECT_EQ(bench.err.str(), text);
  }
}

TEST(ServersAddTest, WaitForADrainedServerSaysHowToOpenIt) {
  Bench bench;
  *bench.client.add_reply->mutable_server() = Drained(0);
  bench.client.get_reply = Drained(0);
  const Outcome outcome = ServersAdd({.url = "a:1", .wait = true}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kPrecondition);
  EXPECT_THAT(outcome.error().hint, HasSubstr("servers undrain default/a"));
}

TEST(LookupTest, ANameMayHaveItsPoolInFrontAndIsNotLookedUp) {
  FakeControlClient client;
  const auto name = ResolveServer(client, "red", "blue/a");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->pool, "blue");
  EXPECT_EQ(name->id, "a");
  EXPECT_EQ(ResolveServer(client, "red", "a")->pool, "red");
  EXPECT_TRUE(client.listed.empty());
}

TEST(LookupTest, ADrainedServerIsMeantLikeAnyOtherByItsUrl) {
  FakeControlClient client;
  client.list_replies = {MakePage({Drained(0), MakeServer("b", "http://a:1")})};
  const auto name = ResolveServer(client, "", "a:1");
  ASSERT_FALSE(name);
  EXPECT_THAT(name.error().message, HasSubstr("default/a, default/b"));
}

}  // namespace
}  // namespace remora::cli
