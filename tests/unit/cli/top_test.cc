#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands/commands.h"
#include "cli/top/top_model.h"
#include "tests/unit/cli/fake_control_client.h"

namespace remora::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::steady_clock::time_point kStart{seconds(100)};

v1::Server Counted(const std::string& id, std::uint64_t requests) {
  v1::Server server = MakeServer(id, "http://" + id + ":1");
  server.mutable_status()->set_requests_total(requests);
  return server;
}

TEST(TopModelTest, RatesComeFromTwoLooks) {
  TopModel model;
  model.Sample(MakePage({Counted("a", 100), Counted("b", 0)}), kStart);
  EXPECT_EQ(model.RequestsPerSecond("uid-a"), std::nullopt) << "one look is none";
  model.Sample(MakePage({Counted("a", 150), Counted("b", 0)}), kStart + milliseconds(500));
  EXPECT_EQ(model.RequestsPerSecond("uid-a"), 100);
  EXPECT_EQ(model.RequestsPerSecond("uid-b"), std::nullopt) << "nothing was ever counted";
  model.Sample(MakePage({Counted("a", 150)}), kStart + seconds(1));
  EXPECT_EQ(model.RequestsPerSecond("uid-a"), 0);
  EXPECT_EQ(model.RequestsPerSecond("uid-b"), std::nullopt) << "it is gone";
}

TEST(TopModelTest, ACounterThatWentBackIsNoRate) {
  TopModel model;
  model.Sample(MakePage({Counted("a", 100)}), kStart);
  model.Sample(MakePage({Counted("a", 5)}), kStart + seconds(1));
  EXPECT_EQ(model.RequestsPerSecond("uid-a"), std::nullopt);
  model.Sample(MakePage({Counted("a", 6)}), kStart + seconds(1));
  EXPECT_EQ(model.RequestsPerSecond("uid-a"), std::nullopt) << "no time has passed";
}

TEST(TopModelTest, TheFrameShowsWhatIsThere) {
  v1::Server a = Counted("a", 100);
  a.mutable_status()->set_active_requests(3);
  a.mutable_status()->mutable_latency_p50()->set_nanos(1'500'000);
  TopModel model;
  model.Sample(MakePage({a}), kStart);
  a.mutable_status()->set_requests_total(125);
  a.mutable_status()->set_failures_total(2);
  model.Sample(MakePage({a}), kStart + seconds(1));
  EXPECT_EQ(model.Frame("unix:/x", "", {.columns = 100, .rows = 24}, false),
            "remora unix:/x: 1 servers, 1 ACTIVE, 3 running requests; q leaves\n"
            "\n"
            "NAME   POOL      URL          STATE    ACTIVE   RPS   P50     P99   FAILURES\n"
            "a      default   http://a:1   ACTIVE   3        25    1.5ms   -     2");
}

TEST(TopModelTest, TheFrameFitsTheTerminal) {
  v1::ListServersResponse page;
  for (int i = 0; i < 50; ++i) *page.add_servers() = Counted("server-" + std::to_string(i), 1);
  TopModel model;
  model.Sample(page, kStart);
  for (const TopSize size : {TopSize{.columns = 40, .rows = 10}, TopSize{.columns = 5, .rows = 5},
                             TopSize{.columns = 200, .rows = 60}}) {
    std::istringstream lines(model.Frame("unix:/x", "error: no answer", size, false));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      EXPECT_LE(line.size(), size.columns);
    }
    EXPECT_LE(count, size.rows);
  }
  EXPECT_THAT(model.Frame("", "", {.columns = 80, .rows = 10}, false), HasSubstr("\nand 44 more"));
  EXPECT_THAT(model.Frame("", "", {.columns = 80, .rows = 54}, false), Not(HasSubstr("more")));
}

TEST(TopModelTest, ColoursTakeNoRoomAndNoneStaysSet) {
  EXPECT_EQ(CutToWidth("ab\x1b[31mcd\x1b[0mef", 3), "ab\x1b[31mc\x1b[0m");
  EXPECT_EQ(CutToWidth("ab\x1b[31mcd\x1b[0mef", 5), "ab\x1b[31mcd\x1b[0me");
  EXPECT_EQ(CutToWidth("\xc3\xa9\xc3\xa9", 1), "\xc3\xa9");
  EXPECT_EQ(CutToWidth("abc", 9), "abc");
}

TEST(TopTest, WithoutATerminalItSaysWhatToUseInstead) {
  Bench bench;
  const Outcome outcome = Top({}, bench.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kUsage);
  EXPECT_THAT(outcome.error().hint, HasSubstr("servers list --watch -o jsonl"));
  EXPECT_TRUE(bench.client.listed.empty());
}

}  // namespace
}  // namespace remora::cli
