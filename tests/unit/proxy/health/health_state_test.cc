#include "proxy/health/health_state.h"

#include <gtest/gtest.h>

#include <string_view>

#include "proxy/health/probe.h"

namespace remora::proxy {
namespace {

// The state after results: '+' passes, '-' fails.
ServerState After(std::string_view results, HealthThresholds thresholds = {}) {
  HealthState state(thresholds);
  for (const char result : results) state.Observe(result == '+');
  return state.state();
}

TEST(HealthStateTest, ANewBackendIsWarming) { EXPECT_EQ(After(""), ServerState::kWarming); }

TEST(HealthStateTest, TheFirstPassDecidesForANewBackend) {
  EXPECT_EQ(After("+", {.rise = 5, .fall = 3}), ServerState::kActive);
  EXPECT_EQ(After("--+", {.rise = 5, .fall = 3}), ServerState::kActive);
}

TEST(HealthStateTest, ANewBackendThatFailsStaysWarmingUntilFall) {
  EXPECT_EQ(After("--"), ServerState::kWarming);
  EXPECT_EQ(After("---"), ServerState::kUnhealthy);
}

TEST(HealthStateTest, FallFailuresInARowMakeItUnhealthy) {
  EXPECT_EQ(After("+--"), ServerState::kActive);
  EXPECT_EQ(After("+---"), ServerState::kUnhealthy);
  EXPECT_EQ(After("+--+--"), ServerState::kActive);
  EXPECT_EQ(After("+-", {.rise = 1, .fall = 1}), ServerState::kUnhealthy);
}

TEST(HealthStateTest, RisePassesInARowMakeItHealthyAgain) {
  EXPECT_EQ(After("+---+"), ServerState::kUnhealthy);
  EXPECT_EQ(After("+---+-+"), ServerState::kUnhealthy);
  EXPECT_EQ(After("+---++"), ServerState::kActive);
  EXPECT_EQ(After("+---+++-"), ServerState::kActive);
}

TEST(HealthStateTest, ObserveTellsOnlyOfChanges) {
  HealthState state({.rise = 2, .fall = 2});
  EXPECT_TRUE(state.Observe(true));
  EXPECT_FALSE(state.Observe(true));
  EXPECT_FALSE(state.Observe(false));
  EXPECT_TRUE(state.Observe(false));
  EXPECT_FALSE(state.Observe(false));
  EXPECT_EQ(state.consecutive_failures(), 3u);
  EXPECT_FALSE(state.Observe(true));
  EXPECT_EQ(state.consecutive_failures(), 0u);
  EXPECT_TRUE(state.Observe(true));
}

TEST(StatusPassesTest, AutoTakesAnAnswerWithoutSuchAnEndpointForHealthy) {
  for (const unsigned status : {200u, 204u, 299u, 301u, 399u, 404u, 405u, 501u}) {
    EXPECT_TRUE(StatusPasses(ProbeKind::kAuto, status)) << status;
  }
  for (const unsigned status : {101u, 199u, 400u, 401u, 403u, 410u, 429u, 500u, 502u, 503u, 504u}) {
    EXPECT_FALSE(StatusPasses(ProbeKind::kAuto, status)) << status;
  }
}

TEST(StatusPassesTest, HttpTakesOnlySuccessAndRedirects) {
  for (const unsigned status : {200u, 204u, 302u, 399u}) {
    EXPECT_TRUE(StatusPasses(ProbeKind::kHttp, status)) << status;
  }
  for (const unsigned status : {199u, 400u, 404u, 405u, 500u, 501u, 503u}) {
    EXPECT_FALSE(StatusPasses(ProbeKind::kHttp, status)) << status;
  }
}

}  // namespace
}  // namespace remora::proxy
