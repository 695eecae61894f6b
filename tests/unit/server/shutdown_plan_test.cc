#include "server/shutdown_plan.h"

#include <gtest/gtest.h>

#include <chrono>

namespace remora::server {
namespace {

using proxy::DrainScope;
using std::chrono::seconds;

constexpr ShutdownSettings kSettings{.delay = seconds(5), .deadline = seconds(28)};

proxy::TimePoint At(int second) { return proxy::TimePoint(seconds(1000 + second)); }

TEST(ShutdownPlanTest, EachScopeBeginsOnceAndOnlyWidens) {
  ShutdownPlan plan(kSettings, /*has_inbound=*/true);
  EXPECT_EQ(plan.draining(), std::nullopt);
  EXPECT_TRUE(plan.Ask(DrainScope::kInbound, At(0)));
  EXPECT_FALSE(plan.Ask(DrainScope::kInbound, At(1)));
  EXPECT_EQ(plan.draining(), DrainScope::kInbound);
  EXPECT_TRUE(plan.Ask(DrainScope::kAll, At(2)));
  EXPECT_FALSE(plan.Ask(DrainScope::kAll, At(3)));
  EXPECT_FALSE(plan.Ask(DrainScope::kInbound, At(4)));
  EXPECT_EQ(plan.draining(), DrainScope::kAll);
}

TEST(ShutdownPlanTest, TheSecondStepHasTheTimesOfTheFirst) {
  ShutdownPlan plan(kSettings, /*has_inbound=*/true);
  plan.Ask(DrainScope::kInbound, At(0));
  EXPECT_EQ(plan.closes(), At(5));
  EXPECT_EQ(plan.deadline(), At(28));
  plan.Ask(DrainScope::kAll, At(20));
  EXPECT_EQ(plan.closes(), At(5));
  EXPECT_EQ(plan.deadline(), At(28));
}

TEST(ShutdownPlanTest, WithoutInboundListenersThatStepIsNoneButTheTimeRuns) {
  ShutdownPlan plan(kSettings, /*has_inbound=*/false);
  EXPECT_FALSE(plan.Ask(DrainScope::kInbound, At(0)));
  EXPECT_EQ(plan.draining(), std::nullopt);
  EXPECT_TRUE(plan.Ask(DrainScope::kAll, At(10)));
  EXPECT_EQ(plan.deadline(), At(28)) << "the hook took its time from the same grace";
}

TEST(ShutdownPlanTest, AHookOfLongAgoThatDidNothingTakesNoTime) {
  ShutdownPlan plan(kSettings, /*has_inbound=*/false);
  plan.Ask(DrainScope::kInbound, At(0));
  EXPECT_TRUE(plan.Ask(DrainScope::kAll, At(100)));
  EXPECT_EQ(plan.deadline(), At(128));
}

}  // namespace
}  // namespace remora::server
