// Findings about many servers that are reported at once.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/observe/event_log.h"
#include "proxy/registry/registry.h"
#include "tests/support/pool.h"

namespace remora::proxy {
namespace {

class RegistryReportTest : public ::testing::Test {
 protected:
  RegistryReportTest() {
    registry_.Subscribe([this] { ++told_; });
  }
  std::string Add(const std::string& id, std::string_view owner = "config") {
    const auto added = registry_.Add(
        "", id, {.url = "127.0.0.1:9001", .weight = 1, .max_active = 0, .labels = {}}, owner);
    EXPECT_TRUE(added.ok()) << added.status();
    told_ = 0;
    return added.ok() ? added->server.uid : std::string();
  }
  static HealthFinding Finding(const std::string& uid, ServerState state, bool probed = true) {
    HealthFinding finding{.uid = uid, .report = {.state = state, .reason = "a test says so"}};
    if (probed) finding.report.last_probe = WallClock::now();
    return finding;
  }
  ServerState StateOf(const std::string& id) { return registry_.Get("", id)->state; }
  std::uint64_t members() { return registry_.snapshot()->members; }

  testing::RecordingEvents backend_events_;
  EventLog events_;
  Registry registry_{{"default"}, &backend_events_, {.counters = nullptr, .events = &events_}};
  int told_ = 0;
};

TEST_F(RegistryReportTest, ManyFindingsArePublishedOnceAndToldOfOneByOne) {
  const std::string a = Add("a");
  const std::string b = Add("b");
  const std::string c = Add("c");
  const std::uint64_t generation = registry_.generation();
  const std::uint64_t revision = registry_.snapshot()->revision;
  const std::uint64_t last_event = events_.Since(0).back().id;
  const std::vector<HealthFinding> findings = {
      Finding(a, ServerState::kActive), Finding("gone", ServerState::kActive),
      Finding(b, ServerState::kWarming), Finding(c, ServerState::kUnhealthy)};
  registry_.ReportHealth(findings);
  EXPECT_EQ(registry_.generation(), generation + 1);
  EXPECT_EQ(registry_.snapshot()->revision, revision + 2) << "each change has its own";
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(StateOf("a"), ServerState::kActive);
  EXPECT_EQ(StateOf("b"), ServerState::kWarming);
  EXPECT_EQ(StateOf("c"), ServerState::kUnhealthy);
  const std::vector<Event> events = events_.Since(last_event);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].server, "a");
  EXPECT_EQ(events[0].from, "WARMING");
  EXPECT_EQ(events[0].to, "ACTIVE");
  EXPECT_EQ(events[0].cause, "a test says so");
  EXPECT_EQ(events[1].server, "c");
}

TEST_F(RegistryReportTest, TheLaterOfTwoFindingsHolds) {
  const std::string a = Add("a");
  const std::vector<HealthFinding> findings = {Finding(a, ServerState::kActive),
                                               Finding(a, ServerState::kUnhealthy)};
  registry_.ReportHealth(findings);
  EXPECT_EQ(StateOf("a"), ServerState::kUnhealthy);
  EXPECT_TRUE(registry_.snapshot()->pools.at(0)->eligible.empty());
}

TEST_F(RegistryReportTest, AFirstProbeIsToldOfWhateverItFoundAndLaterOnesOnlyOfAChange) {
  const std::string a = Add("a");
  const std::uint64_t generation = registry_.generation();
  registry_.ReportHealth(std::vector{Finding(a, ServerState::kWarming, /*probed=*/false)});
  EXPECT_EQ(told_, 0);
  registry_.ReportHealth(std::vector{Finding(a, ServerState::kWarming)});
  EXPECT_EQ(told_, 1);
  registry_.ReportHealth(std::vector{Finding(a, ServerState::kWarming)});
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(registry_.generation(), generation) << "nobody's state has changed";
}

TEST_F(RegistryReportTest, AServerAwaitsItsFirstProbeUntilOneHasEnded) {
  EXPECT_FALSE(registry_.AwaitsFirstProbe("config"));
  const std::string a = Add("a");
  const std::string b = Add("b");
  Add("c", "api");
  EXPECT_TRUE(registry_.AwaitsFirstProbe("config"));
  registry_.ReportHealth(std::vector{Finding(b, ServerState::kActive)});
  EXPECT_TRUE(registry_.AwaitsFirstProbe("config"));
  registry_.ReportHealth(std::vector{Finding(a, ServerState::kWarming)});
  EXPECT_FALSE(registry_.AwaitsFirstProbe("config")) << "it has failed, which is an outcome";
  EXPECT_TRUE(registry_.AwaitsFirstProbe("api"));
}

TEST_F(RegistryReportTest, MembersMoveWithTheServersAndNotWithTheirHealth) {
  const std::uint64_t none = members();
  const std::string a = Add("a");
  const std::uint64_t one = members();
  EXPECT_NE(one, none);
  registry_.ReportHealth(std::vector{Finding(a, ServerState::kActive)});
  ASSERT_TRUE(registry_.Drain("", "a", std::nullopt).ok());
  ASSERT_TRUE(registry_.Undrain("", "a").ok());
  EXPECT_EQ(members(), one);
  const auto held = registry_.snapshot();
  ActiveRequest request = testing::StartRequest(*held->pools.at(0), "a");
  ASSERT_TRUE(registry_.Remove("", "a", std::nullopt).ok());
  const std::uint64_t removed = members();
  EXPECT_NE(removed, one);
  request.Reset();
  registry_.EraseDrained(a);
  EXPECT_NE(members(), removed) << "what was kept for its last request can go";
}

}  // namespace
}  // namespace remora::proxy
