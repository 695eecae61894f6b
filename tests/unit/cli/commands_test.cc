#include "cli/commands/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands/lookup.h"
#include "tests/unit/cli/fake_control_client.h"

namespace remora::cli {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

TEST(ServersListTest, EveryPageIsRead) {
  Bench bench;
  bench.client.list_replies = {MakePage({MakeServer("a", "http://a:1")}, "next"),
                               MakePage({MakeServer("b", "http://b:1")})};
  ASSERT_TRUE(ServersList({.pool = "blue"}, bench.context()));
  EXPECT_THAT(bench.out.str(), HasSubstr("\na "));
  EXPECT_THAT(bench.out.str(), HasSubstr("\nb "));
  ASSERT_EQ(bench.client.listed.size(), 2U);
  EXPECT_EQ(bench.client.listed[1].page_token(), "next");
  EXPECT_EQ(bench.client.listed[1].pool(), "blue");
}

TEST(ServersListTest, WithoutServersStdoutStaysEmpty) {
  Bench bench;
  ASSERT_TRUE(ServersList({}, bench.context()));
  EXPECT_EQ(bench.out.str(), "");
  EXPECT_THAT(bench.err.str(), StartsWith("No servers."));
}

TEST(ServersListTest, WithoutServersJsonIsStillADocument) {
  Bench bench;
  bench.options.output = OutputFormat::kJson;
  ASSERT_TRUE(ServersList({}, bench.context()));
  EXPECT_THAT(bench.out.str(), HasSubstr(R"("servers": [])"));
  EXPECT_EQ(bench.err.str(), "");
}

TEST(ServersGetTest, AnIdIsAskedForWithoutAList) {
  Bench bench;
  bench.client.get_reply = MakeServer("a", "http://a:1");
  ASSERT_TRUE(ServersGet({.server = "a", .pool = "blue"}, bench.context()));
  EXPECT_EQ(bench.client.got.id(), "a");
  EXPECT_EQ(bench.client.got.pool(), "blue");
  EXPECT_TRUE(bench.client.listed.empty());
}

TEST(ServersAddTest, WhatWasGivenIsSent) {
  Bench bench;
  bench.client.add_reply->set_created(true);
  *bench.client.add_reply->mutable_server() = MakeServer("a", "http://a:1");
  ASSERT_TRUE(ServersAdd({.url = "a:1",
                          .pool = "blue",
                          .id = "a",
                          .weight = 5,
                          .max_active = 9,
                          .labels = {{"zone", "x"}}},
                         bench.context()));
  EXPECT_EQ(bench.client.added.pool(), "blue");
  EXPECT_EQ(bench.client.added.id(), "a");
  EXPECT_EQ(bench.client.added.spec().url(), "a:1");
  EXPECT_EQ(bench.client.added.spec().weight(), 5U);
  EXPECT_EQ(bench.client.added.spec().max_active(), 9U);
  EXPECT_EQ(bench.client.added.spec().labels().at("zone"), "x");
  EXPECT_EQ(bench.err.str(), "Added default/a.\n");
  EXPECT_THAT(bench.out.str(), HasSubstr("http://a:1"));
}

TEST(ServersAddTest, TheSameAgainSucceedsAndSaysSo) {
  Bench bench;
  *bench.client.add_reply->mutable_server() = MakeServer("a", "http://a:1");
  ASSERT_TRUE(ServersAdd({.url = "a:1"}, bench.context()));
  EXPECT_EQ(bench.err.str(), "default/a was there already, with the same content.\n");
}

TEST(ServersAddTest, WaitEndsWhenTheServerIsActive) {
  Bench bench;
  const v1::Server warming = MakeServer("a", "http://a:1", v1::ServerStatus::WARMING);
  *bench.client.add_reply->mutable_server() = warming;
  bench.client.get_replies = {warming, warming, MakeServer("a", "http://a:1")};
  ASSERT_TRUE(ServersAdd({.url = "a:1", .wait = true}, bench.context()));
  EXPECT_THAT(bench.out.str(), HasSubstr("ACTIVE"));
  EXPECT_EQ(bench.client.gets, 3);
  EXPECT_EQ(bench.client.got.pool(), "default");
  EXPECT_EQ(bench.client.got.id(), "a");
  EXPECT_TRUE(bench.client.listed.empty());
}

TEST(ServersAddTest, WaitAsksEverMoreRarelyAndEndsAtTheTimeout) {
  Bench bench;
  const v1::Server warming = MakeServer("a", "http://a:1", v1::ServerStatus::WARMING);
  *bench.client.add_reply->mutable_server() = warming;
  bench.client.get_reply = warming;
  EXPECT_FALSE(ServersAdd({.url = "a:1", .wait = true}, bench.context()));
  using ms = milliseconds;
  EXPECT_THAT(bench.clock.pauses,
              testing::ElementsAre(ms(50), ms(100), ms(200), ms(400), ms(500), ms(500), ms(500),
                                   ms(500), ms(500), ms(500), ms(500), ms(500), ms(250)));
}

TEST(ServersAddTest, WaitGivesUpAfterTheTimeoutWithStateAndReason) {
  Bench bench;
  v1::Server warming = MakeServer("a", "http://a:1", v1::ServerStatus::WARMING);
  warming.mutable_status()->set_reason("probe: connect refused");
  *bench.client.add_reply->mutable_server() = warming;
  bench.client.get_reply = warming;
  const Outcome outcome = ServersAdd({.url = "a:1", .wait = true}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kTimeout);
  EXPECT_EQ(outcome.error().message, "default/a is still WARMING after 5s: probe: connect refused");
}

TEST(ServersAddTest, WaitEndsWhenSomebodyElseRemovesTheServer) {
  Bench bench;
  *bench.client.add_reply->mutable_server() = MakeServer("a", "http://a:1");
  v1::Server successor = MakeServer("a", "http://a:1");
  successor.set_uid("another");
  bench.client.get_reply = successor;
  bench.client.list_replies = {MakePage({successor})};
  const Outcome outcome = ServersAdd({.url = "a:1", .wait = true}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kPrecondition);
}

TEST(ServersRemoveTest, AUrlIsFoundHoweverItIsSpelled) {
  for (const char* url :
       {"http://a.example:80", "http://A.example/", "a.example:80", "a.example:80/"}) {
    Bench bench;
    bench.client.list_replies = {
        MakePage({MakeServer("x", "http://b:1"), MakeServer("a", "http://a.example:80")})};
    *bench.client.remove_reply->mutable_server() = MakeServer("a", "http://a.example:80");
    ASSERT_TRUE(ServersRemove({.server = url}, bench.context())) << url;
    EXPECT_EQ(bench.client.removed.id(), "a");
    EXPECT_EQ(bench.client.removed.pool(), "default");
  }
}

TEST(ServersRemoveTest, OfTwoWithTheSameUrlTheOneThatDoesNotDrainIsMeant) {
  Bench bench;
  bench.client.list_replies = {
      MakePage({MakeServer("old", "http://a:1", v1::ServerStatus::DRAINING),
                MakeServer("new", "http://a:1")})};
  ASSERT_TRUE(ServersRemove({.server = "a:1"}, bench.context()));
  EXPECT_EQ(bench.client.removed.id(), "new");
}

TEST(ServersRemoveTest, AUrlOfSeveralServersIsRefusedAndTheyAreNamed) {
  Bench bench;
  bench.client.list_replies = {
      MakePage({MakeServer("a", "http://a:1"), MakeServer("b", "http://a:1")})};
  const Outcome outcome = ServersRemove({.server = "a:1"}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kPrecondition);
  EXPECT_THAT(outcome.error().message, HasSubstr("default/a, default/b"));
}

TEST(ServersRemoveTest, AUrlThatNobodyHasIsNotFoundUnlessThatIsAllowed) {
  Bench bench;
  const Outcome outcome = ServersRemove({.server = "a:1"}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kNotFound);
  EXPECT_TRUE(ServersRemove({.server = "a:1", .allow_missing = true}, bench.context()));
  EXPECT_EQ(bench.err.str(), "There was no server a:1.\n");
  EXPECT_EQ(bench.out.str(), "");
}

TEST(ServersRemoveTest, AnEmptyAnswerMeansThatThereWasNone) {
  Bench bench;
  ASSERT_TRUE(ServersRemove({.server = "a", .allow_missing = true}, bench.context()));
  EXPECT_TRUE(bench.client.removed.allow_missing());
  EXPECT_EQ(bench.err.str(), "There was no server a.\n");
}

TEST(ServersRemoveTest, AMissingServerIsAnEmptyDocumentInJson) {
  for (const char* server : {"a", "a:1"}) {
    Bench bench;
    bench.options.output = OutputFormat::kJson;
    ASSERT_TRUE(ServersRemove({.server = server, .allow_missing = true}, bench.context()));
    EXPECT_EQ(bench.out.str(), "{}\n");
  }
}

TEST(ServersRemoveTest, ADrainTimeoutIsSentOnlyWhenGiven) {
  Bench bench;
  ASSERT_TRUE(ServersRemove({.server = "a"}, bench.context()));
  EXPECT_FALSE(bench.client.removed.has_drain_timeout());
  ASSERT_TRUE(ServersRemove({.server = "a", .drain_timeout = milliseconds(1500)}, bench.context()));
  EXPECT_EQ(bench.client.removed.drain_timeout().seconds(), 1);
  EXPECT_EQ(bench.client.removed.drain_timeout().nanos(), 500'000'000);
  ASSERT_TRUE(ServersRemove({.server = "a", .drain_timeout = milliseconds(0)}, bench.context()));
  EXPECT_TRUE(bench.client.removed.has_drain_timeout());
}

TEST(ServersRemoveTest, WaitEndsWhenTheServerIsGoneAndShowsNoRowOfIt) {
  for (const auto& [format, shown] :
       {std::pair(OutputFormat::kTable, ""), std::pair(OutputFormat::kJson, "{}\n")}) {
    Bench bench;
    bench.options.output = format;
    v1::Server draining = MakeDraining("a", "http://a:1", std::chrono::seconds(30));
    draining.mutable_status()->set_active_requests(2);
    *bench.client.remove_reply->mutable_server() = draining;
    bench.client.get_replies = {draining, std::unexpected(ServerNotFound())};
    ASSERT_TRUE(ServersRemove({.server = "a", .wait = true}, bench.context()));
    EXPECT_EQ(bench.err.str(),
              "Removed default/a: it gets no new requests; 2 still run, at most 30s.\n"
              "Its last request has ended.\n");
    EXPECT_EQ(bench.out.str(), shown);
    EXPECT_TRUE(bench.client.listed.empty());
  }
}

TEST(ServersRemoveTest, WaitIsForTheServerThatWasRemovedAndNotForItsSuccessor) {
  Bench bench;
  const v1::Server draining = MakeDraining("a", "http://a:1", std::chrono::seconds(30));
  v1::Server successor = MakeServer("a", "http://a:1");
  successor.set_uid("another");
  *bench.client.remove_reply->mutable_server() = draining;
  bench.client.get_reply = successor;
  bench.client.list_replies = {MakePage({successor, draining}), MakePage({successor})};
  ASSERT_TRUE(ServersRemove({.server = "a", .wait = true}, bench.context()));
  EXPECT_EQ(bench.client.listed.size(), 2U);
}

TEST(ServersRemoveTest, AnErrorWhileWaitingIsNotTheEnd) {
  Bench bench;
  *bench.client.remove_reply->mutable_server() =
      MakeDraining("a", "http://a:1", std::chrono::seconds(30));
  Failure unavailable;
  unavailable.exit = ExitCode::kUnavailable;
  bench.client.get_reply = std::unexpected(unavailable);
  const Outcome outcome = ServersRemove({.server = "a", .wait = true}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kUnavailable);
}

TEST(ServersRemoveTest, WaitGivesUpOnceTheDrainDeadlineHasPassed) {
  Bench bench;
  // It drained already: its deadline and not --drain-timeout says how long.
  const v1::Server draining = MakeDraining("a", "http://a:1", std::chrono::seconds(1));
  *bench.client.remove_reply->mutable_server() = draining;
  bench.client.get_reply = draining;
  const Outcome outcome = ServersRemove(
      {.server = "a", .drain_timeout = std::chrono::minutes(10), .wait = true}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kTimeout);
  EXPECT_EQ(bench.clock.steady.time_since_epoch(), milliseconds(6000));
}

TEST(HealthTest, ASidecarThatIsNotReadyFailsTheCommandAfterItsOutput) {
  Bench bench;
  bench.client.health_reply->set_ready(false);
  bench.client.health_reply->add_reasons("draining");
  const Outcome outcome = Health(bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kFailure);
  EXPECT_EQ(outcome.error().message, "the sidecar is not ready: draining");
  EXPECT_THAT(bench.out.str(), HasSubstr("false"));
}

TEST(VersionTest, WithoutAServerTheClientsVersionIsStillShown) {
  Bench bench;
  bench.client.health_reply = std::unexpected(Failure{.message = "refused"});
  ASSERT_TRUE(Version(bench.context()));
  EXPECT_THAT(bench.out.str(), StartsWith("remoractl   "));
  EXPECT_EQ(bench.err.str(), "No server at unix:/x.sock: refused.\n");
}

TEST(CanonicalUrlTest, UrlsThatMeanTheSameBecomeEqual) {
  EXPECT_EQ(CanonicalUrl("A:80"), "http://a:80");
  EXPECT_EQ(CanonicalUrl("HTTP://a/"), "http://a:80");
  EXPECT_EQ(CanonicalUrl("http://a:80/Prefix/"), "http://a:80/Prefix");
  EXPECT_EQ(CanonicalUrl("[::1]"), "http://[::1]:80");
  EXPECT_EQ(CanonicalUrl("[::1]:81"), "http://[::1]:81");
  EXPECT_EQ(CanonicalUrl("unix:/A/b"), "unix:/A/b");
  EXPECT_EQ(CanonicalUrl("unix:///A/b"), "unix:/A/b");
  EXPECT_EQ(CanonicalUrl("https://a"), "https://a:443");
}

}  // namespace
}  // namespace remora::cli
