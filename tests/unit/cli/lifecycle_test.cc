#include "cli/commands/lifecycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/cli/fake_control_client.h"

namespace remora::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::unexpected<Failure> Away() {
  return std::unexpected(
      Failure{.exit = ExitCode::kUnavailable, .message = "there is no socket /x.sock"});
}

std::unexpected<Failure> NoAnswer() {
  return std::unexpected(Failure{.exit = ExitCode::kTimeout, .message = "no answer within 5s"});
}

std::unexpected<Failure> NotPermitted() {
  return std::unexpected(Failure{.exit = ExitCode::kAuth, .message = "may not open the socket"});
}

v1::HealthResponse NotReady(const std::string& reason) {
  v1::HealthResponse health;
  health.add_reasons(reason);
  return health;
}

v1::HealthResponse Ready() {
  v1::HealthResponse health;
  health.set_ready(true);
  return health;
}

// One outbound listener, which accepts, and one inbound.
v1::HealthResponse Inbound(v1::ListenerHealth::State state, std::uint32_t connections = 0) {
  v1::HealthResponse health;
  v1::ListenerHealth& outbound = *health.add_listeners();
  outbound.set_direction(v1::ListenerHealth::OUTBOUND);
  outbound.set_state(v1::ListenerHealth::ACCEPTING);
  outbound.set_connections(7);
  v1::ListenerHealth& inbound = *health.add_listeners();
  inbound.set_address("0.0.0.0:3000");
  inbound.set_direction(v1::ListenerHealth::INBOUND);
  inbound.set_state(state);
  inbound.set_connections(connections);
  return health;
}

// As Shutdown answers: what runs is cut `left` after FakeClock's now.
v1::ShutdownResponse Until(seconds left) {
  v1::ShutdownResponse response;
  response.mutable_deadline()->set_seconds(1'000'000 + left.count());
  response.set_active_requests(3);
  return response;
}

// ---- wait ---------------------------------------------------------------------------------------

TEST(WaitTest, ReadyEndsWithTheFirstAnswerThatSaysSo) {
  Bench bench;
  bench.client.health_replies = {Away(), NoAnswer(), NotReady("the listeners are not bound"),
                                 Ready(), NotReady("not asked")};
  ASSERT_TRUE(Wait(Awaited::kReady, seconds(60), bench.context()));
  EXPECT_EQ(bench.client.health_replies.size(), 1U);
  EXPECT_EQ(bench.clock.pauses.size(), 3U);
  EXPECT_EQ(bench.out.str() + bench.err.str(), "");
}

TEST(WaitTest, ReadySaysAfterItsLimitWhatWasMissing) {
  Bench bench;
  bench.client.health_reply = NotReady("draining");
  const Outcome outcome = Wait(Awaited::kReady, seconds(3), bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kTimeout);
  EXPECT_EQ(outcome.error().message, "the sidecar is not ready after 3s: draining");
  EXPECT_EQ(bench.clock.steady.time_since_epoch(), seconds(3)) << "all of the limit, and no more";
}

TEST(WaitTest, WhatNoWaitingMendsEndsTheWaitAtOnce) {
  for (const Awaited awaited : {Awaited::kReady, Awaited::kDrained}) {
    Bench bench;
    bench.client.health_reply = NotPermitted();
    const Outcome outcome = Wait(awaited, seconds(60), bench.context());
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().exit, ExitCode::kAuth);
    EXPECT_THAT(bench.clock.pauses, IsEmpty());
  }
}

TEST(WaitTest, DrainedIsWhereSomethingIsClosedAndNothingDrains) {
  Bench bench;
  bench.client.health_replies = {Inbound(v1::ListenerHealth::ACCEPTING),
                                 Inbound(v1::ListenerHealth::DRAINING, 2),
                                 Inbound(v1::ListenerHealth::CLOSED), Away()};
  ASSERT_TRUE(Wait(Awaited::kDrained, seconds(60), bench.context()));
  EXPECT_EQ(bench.client.health_replies.size(), 1U);
}

TEST(WaitTest, DrainedIsAlsoASidecarThatWasThereAndHasEnded) {
  Bench bench;
  bench.client.health_replies = {Inbound(v1::ListenerHealth::DRAINING, 2), Away(),
                                 Inbound(v1::ListenerHealth::DRAINING, 1), NoAnswer(), Away()};
  bench.client.health_reply = Away();
  ASSERT_TRUE(Wait(Awaited::kDrained, seconds(60), bench.context()));
  EXPECT_EQ(bench.clock.pauses.size(), 5U) << "one failed call is no end";
}

TEST(WaitTest, ASidecarThatWasNeverThereHasNotDrained) {
  Bench bench;
  bench.client.health_reply = Away();
  const Outcome outcome = Wait(Awaited::kDrained, seconds(1), bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kTimeout);
  EXPECT_EQ(outcome.error().message, "not drained after 1s: there is no socket /x.sock");
}

TEST(WaitTest, DrainedSaysAfterItsLimitWhatIsLeft) {
  Bench bench;
  bench.client.health_reply = Inbound(v1::ListenerHealth::DRAINING, 2);
  EXPECT_THAT(Wait(Awaited::kDrained, seconds(1), bench.context()).error().message,
              HasSubstr("0.0.0.0:3000 drains, with 2 connections"));
  bench.client.health_reply = Inbound(v1::ListenerHealth::ACCEPTING);
  EXPECT_THAT(Wait(Awaited::kDrained, seconds(1), bench.context()).error().message,
              HasSubstr("nothing drains"));
}

// ---- shutdown, prestop --------------------------------------------------------------------------

TEST(ShutdownTest, TheScopeIsSentAndTheDeadlineShown) {
  Bench bench;
  bench.client.shutdown_reply = Until(seconds(28));
  ASSERT_TRUE(Shutdown({}, bench.context()));
  ASSERT_TRUE(Shutdown({.inbound = true}, bench.context()));
  EXPECT_THAT(bench.client.shutdowns,
              ElementsAre(v1::ShutdownRequest::ALL, v1::ShutdownRequest::INBOUND));
  EXPECT_EQ(bench.err.str(),
            "The sidecar drains and ends; 3 requests run, at most 28s.\n"
            "Inbound traffic drains; 3 requests run, at most 28s.\n");
  EXPECT_EQ(bench.out.str(), "");
  bench.options.output = OutputFormat::kJson;
  ASSERT_TRUE(Shutdown({}, bench.context()));
  EXPECT_THAT(bench.out.str(), HasSubstr(R"("active_requests": "3")"));
}

TEST(ShutdownTest, TheWaitForInboundIsForInboundListenersAlone) {
  Bench bench;
  bench.client.shutdown_reply = Until(seconds(28));
  bench.client.health_replies = {Inbound(v1::ListenerHealth::ACCEPTING),
                                 Inbound(v1::ListenerHealth::DRAINING, 1),
                                 Inbound(v1::ListenerHealth::CLOSED), Away()};
  ASSERT_TRUE(Shutdown({.inbound = true, .wait = true}, bench.context()));
  EXPECT_EQ(bench.client.health_replies.size(), 1U);
}

TEST(ShutdownTest, TheWaitForAllIsForTheEndOfTheSidecar) {
  Bench bench;
  bench.client.shutdown_reply = Until(seconds(28));
  bench.client.health_replies = {Inbound(v1::ListenerHealth::CLOSED), Away()};
  bench.client.health_reply = Away();
  ASSERT_TRUE(Shutdown({.wait = true}, bench.context()));
  EXPECT_EQ(bench.clock.pauses.size(), 2U);
}

TEST(ShutdownTest, TheWaitEndsWithTheDeadlineAndTheTimeOfACall) {
  Bench bench;
  bench.client.shutdown_reply = Until(seconds(28));
  bench.client.health_reply = Inbound(v1::ListenerHealth::DRAINING, 1);
  const Outcome outcome = Shutdown({.inbound = true, .wait = true}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kTimeout);
  EXPECT_EQ(bench.clock.steady.time_since_epoch(), seconds(33));
}

TEST(PreStopTest, AsksForInboundAndReturns) {
  Bench bench;
  bench.client.shutdown_reply = Until(seconds(28));
  ASSERT_TRUE(PreStop(/*wait=*/false, bench.context()));
  EXPECT_THAT(bench.client.shutdowns, ElementsAre(v1::ShutdownRequest::INBOUND));
  EXPECT_THAT(bench.clock.pauses, IsEmpty());
}

TEST(PreStopTest, ASidecarThatHasEndedIsNoFailureOfTheHook) {
  Bench bench;
  bench.client.shutdown_reply = Away();
  ASSERT_TRUE(PreStop(/*wait=*/true, bench.context()));
  EXPECT_EQ(bench.err.str(), "The sidecar has ended already: there is no socket /x.sock.\n");
  bench.client.shutdown_reply = NotPermitted();
  const Outcome outcome = PreStop(/*wait=*/true, bench.context());
  ASSERT_FALSE(outcome) << "a hook that never works must be seen";
  EXPECT_EQ(outcome.error().exit, ExitCode::kAuth);
}

// ---- healthcheck --------------------------------------------------------------------------------

ExitCode Check(const Reply<v1::HealthResponse>& health, bool live = false) {
  Bench bench;
  bench.client.health_reply = health;
  const Outcome outcome = HealthCheck(live, bench.context());
  EXPECT_EQ(bench.out.str() + bench.err.str(), "");
  return outcome ? ExitCode::kOk : outcome.error().exit;
}

TEST(HealthCheckTest, TheExitCodeSaysItAll) {
  EXPECT_EQ(Check(Ready()), ExitCode::kOk);
  EXPECT_EQ(Check(NotReady("draining")), ExitCode::kFailure);
  EXPECT_EQ(Check(Away()), ExitCode::kUnavailable);
  EXPECT_EQ(Check(NoAnswer()), ExitCode::kUnavailable);
  EXPECT_EQ(Check(NotPermitted()), ExitCode::kAuth);
}

TEST(HealthCheckTest, ToBeAliveAnAnswerIsEnough) {
  EXPECT_EQ(Check(NotReady("draining"), /*live=*/true), ExitCode::kOk);
  EXPECT_EQ(Check(Away(), /*live=*/true), ExitCode::kUnavailable);
}

}  // namespace
}  // namespace remora::cli
