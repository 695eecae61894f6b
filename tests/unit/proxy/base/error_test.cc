#include "proxy/base/error.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace remora::proxy {
namespace {

constexpr auto kLast = ErrorKind::kOverloaded;

std::vector<ErrorKind> AllKinds() {
  std::vector<ErrorKind> kinds;
  for (int i = 0; i <= static_cast<int>(kLast); ++i) kinds.push_back(static_cast<ErrorKind>(i));
  return kinds;
}

TEST(ErrorTableTest, EachKindHasAReasonOfItsOwn) {
  std::map<std::string_view, ErrorKind> seen;
  for (const ErrorKind kind : AllKinds()) {
    const auto [entry, fresh] = seen.emplace(Describe(kind).reason, kind);
    EXPECT_TRUE(fresh) << entry->first << " stands for two kinds";
  }
}

TEST(ErrorTableTest, ReasonsAreSnakeCase) {
  for (const ErrorKind kind : AllKinds()) {
    const std::string_view reason = Describe(kind).reason;
    ASSERT_FALSE(reason.empty());
    EXPECT_EQ(reason.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos)
        << reason;
  }
}

TEST(ErrorTableTest, OnlyStatusesThatAProxyMayMakeUpOccur) {
  const std::set<unsigned> allowed = {400, 405, 408, 413, 414, 417, 431,
                                      499, 501, 502, 503, 504, 505, 508};
  for (const ErrorKind kind : AllKinds()) {
    EXPECT_TRUE(allowed.contains(Describe(kind).status)) << Describe(kind).reason;
  }
}

TEST(ErrorTableTest, RetryAfterGoesWith503AndWithNothingElse) {
  for (const ErrorKind kind : AllKinds()) {
    const ErrorAnswer answer = Describe(kind);
    EXPECT_EQ(answer.retry_after, answer.status == 503) << answer.reason;
  }
}

// After a request that could not be read to its end nobody knows where the next one starts.
TEST(ErrorTableTest, AnswersToUnreadableRequestsCloseTheConnection) {
  for (const ErrorKind kind : AllKinds()) {
    const ErrorAnswer answer = Describe(kind);
    if (answer.status < 500 || answer.status == 501 || answer.status == 505) {
      EXPECT_TRUE(answer.close) << answer.reason;
    }
  }
}

TEST(ErrorTableTest, ABackendAtFaultDoesNotCostTheClientItsConnection) {
  for (const ErrorKind kind :
       {ErrorKind::kConnectFailed, ErrorKind::kConnectTimeout, ErrorKind::kUpstreamClosedEarly,
        ErrorKind::kUpstreamReset, ErrorKind::kUpstreamTimeout, ErrorKind::kUpstreamBadResponse,
        ErrorKind::kNoServers, ErrorKind::kNoHealthyServer}) {
    EXPECT_FALSE(Describe(kind).close) << Describe(kind).reason;
  }
}

TEST(ErrorTableTest, TimeoutsOfABackendAre504AndOtherFaultsOfItAre502) {
  EXPECT_EQ(Describe(ErrorKind::kConnectTimeout).status, 504u);
  EXPECT_EQ(Describe(ErrorKind::kUpstreamTimeout).status, 504u);
  EXPECT_EQ(Describe(ErrorKind::kConnectFailed).status, 502u);
  EXPECT_EQ(Describe(ErrorKind::kUpstreamClosedEarly).status, 502u);
  EXPECT_EQ(Describe(ErrorKind::kUpstreamReset).status, 502u);
  EXPECT_EQ(Describe(ErrorKind::kUpstreamBadResponse).status, 502u);
}

TEST(ProxyErrorTest, FailCarriesWhatItWasTold) {
  const Result<int> result =
      Fail(ErrorKind::kUpstreamReset, Side::kUpstream, "reset by peer", Sent::kMaybe);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::kUpstreamReset);
  EXPECT_EQ(result.error().side, Side::kUpstream);
  EXPECT_EQ(result.error().sent, Sent::kMaybe);
  EXPECT_EQ(result.error().detail, "reset by peer");
}

TEST(ProxyErrorTest, NothingWasSentUnlessSaid) {
  const Result<int> result = Fail(ErrorKind::kConnectFailed, Side::kUpstream);
  EXPECT_EQ(result.error().sent, Sent::kNothing);
}

}  // namespace
}  // namespace remora::proxy
