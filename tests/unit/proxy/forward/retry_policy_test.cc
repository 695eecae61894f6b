#include "proxy/forward/retry_policy.h"

#include <gtest/gtest.h>

namespace remora::proxy {
namespace {

constexpr RetryFacts kGet{.idempotent = true, .replayable = true, .reused = false, .retries = 0};
constexpr RetryFacts kPost{.idempotent = false, .replayable = true, .reused = false, .retries = 0};

ProxyError Upstream(ErrorKind kind, Sent sent) {
  return {.kind = kind, .side = Side::kUpstream, .sent = sent, .detail = "x"};
}

RetryFacts Reused(RetryFacts facts) {
  facts.reused = true;
  return facts;
}

TEST(RetryPolicyTest, ARequestOfWhichNothingWasSentIsRetriedForAnyMethod) {
  for (const ErrorKind kind :
       {ErrorKind::kConnectFailed, ErrorKind::kConnectTimeout, ErrorKind::kUpstreamReset}) {
    EXPECT_TRUE(MayRetry(Upstream(kind, Sent::kNothing), kGet));
    EXPECT_TRUE(MayRetry(Upstream(kind, Sent::kNothing), kPost));
  }
}

TEST(RetryPolicyTest, AStaleConnectionIsRetriedForIdempotentRequestsOnly) {
  for (const ErrorKind kind : {ErrorKind::kUpstreamClosedEarly, ErrorKind::kUpstreamReset}) {
    EXPECT_TRUE(MayRetry(Upstream(kind, Sent::kMaybe), Reused(kGet)));
    EXPECT_FALSE(MayRetry(Upstream(kind, Sent::kMaybe), Reused(kPost)));
  }
}

TEST(RetryPolicyTest, ANewConnectionThatBreaksIsNotRetried) {
  EXPECT_FALSE(MayRetry(Upstream(ErrorKind::kUpstreamClosedEarly, Sent::kMaybe), kGet));
  EXPECT_FALSE(MayRetry(Upstream(ErrorKind::kUpstreamReset, Sent::kMaybe), kGet));
}

TEST(RetryPolicyTest, ATimeoutIsNotRetriedOnceSomethingWasSent) {
  EXPECT_FALSE(MayRetry(Upstream(ErrorKind::kUpstreamTimeout, Sent::kMaybe), Reused(kGet)));
}

TEST(RetryPolicyTest, AnAnswerThatHasBegunIsNotRetried) {
  for (const ErrorKind kind : {ErrorKind::kUpstreamClosedEarly, ErrorKind::kUpstreamReset,
                               ErrorKind::kUpstreamBadResponse}) {
    EXPECT_FALSE(MayRetry(Upstream(kind, Sent::kAnswered), Reused(kGet)));
  }
}

TEST(RetryPolicyTest, ABodyThatIsGoneIsNotRetried) {
  RetryFacts facts = Reused(kGet);
  facts.replayable = false;
  EXPECT_FALSE(MayRetry(Upstream(ErrorKind::kConnectFailed, Sent::kNothing), facts));
  EXPECT_FALSE(MayRetry(Upstream(ErrorKind::kUpstreamReset, Sent::kMaybe), facts));
}

TEST(RetryPolicyTest, TwoRetriesAreTheMost) {
  RetryFacts facts = kGet;
  facts.retries = 1;
  EXPECT_TRUE(MayRetry(Upstream(ErrorKind::kConnectFailed, Sent::kNothing), facts));
  facts.retries = 2;
  EXPECT_FALSE(MayRetry(Upstream(ErrorKind::kConnectFailed, Sent::kNothing), facts));
}

TEST(RetryPolicyTest, WhatTheClientOrTheProxyCausedIsNotRetried) {
  for (const Side side : {Side::kDownstream, Side::kProxy}) {
    EXPECT_FALSE(MayRetry({.kind = ErrorKind::kOverloaded, .side = side}, kGet));
  }
}

}  // namespace
}  // namespace remora::proxy
