#include "cli/exec/exec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <deque>

#include "tests/unit/cli/fake_control_client.h"

namespace remora::cli {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Plays back what happens and keeps what it was told. Where nothing is left to happen in a wait
// that has a limit, time passes.
class FakeProcesses final : public Processes {
 public:
  explicit FakeProcesses(FakeClock& clock) : clock_(clock) {}

  Outcome Start(const std::vector<std::string>& command) override {
    started = command;
    return start_outcome;
  }
  std::optional<Event> Next(std::optional<std::chrono::milliseconds> limit) override {
    if (events.empty() && limit) {
      clock_.Pause(*limit);
      return std::nullopt;
    }
    if (events.empty()) throw std::logic_error("nothing happens any more");
    const Event event = events.front();
    events.pop_front();
    return event;
  }
  void Forward(int signal) override { forwarded.push_back(signal); }

  std::deque<Event> events;
  Outcome start_outcome;
  std::vector<std::string> started;
  std::vector<int> forwarded;

 private:
  FakeClock& clock_;
};

struct ExecBench : Bench {
  ExecBench() { client.health_reply->set_ready(true); }

  Reply<int> Run(ExecOptions::Shutdown shutdown = ExecOptions::Shutdown::kAlways) {
    return Exec({.command = {"server", "--port"}, .limit = seconds(10), .shutdown = shutdown},
                context(), processes);
  }

  FakeProcesses processes{clock};
};

TEST(ExecTest, TheCommandStartsOnceTheSidecarIsReadyAndEndsIt) {
  ExecBench bench;
  v1::HealthResponse starting;
  starting.add_reasons("the listeners are not bound");
  bench.client.health_replies = {
      std::unexpected(Failure{.exit = ExitCode::kUnavailable, .message = "nobody"}), starting};
  // Passed over while there is no command yet.
  bench.processes.events = {Signalled{.number = SIGUSR1}, Signalled{.number = SIGWINCH},
                            Ended{.code = 7}};
  const auto code = bench.Run();
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_EQ(*code, 7);
  EXPECT_THAT(bench.processes.started, ElementsAre("server", "--port"));
  EXPECT_THAT(bench.processes.forwarded, IsEmpty());
  EXPECT_THAT(bench.client.shutdowns, ElementsAre(v1::ShutdownRequest::ALL));
  EXPECT_EQ(bench.err.str(), "");
}

TEST(ExecTest, WithoutAReadySidecarNothingStarts) {
  ExecBench bench;
  bench.client.health_reply->set_ready(false);
  bench.client.health_reply->add_reasons("draining");
  const auto code = bench.Run();
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().exit, ExitCode::kTimeout);
  EXPECT_THAT(code.error().message, HasSubstr("not ready after 10s: draining"));
  EXPECT_THAT(bench.processes.started, IsEmpty());
  EXPECT_THAT(bench.client.shutdowns, IsEmpty());
}

TEST(ExecTest, ASignalEndsTheWaitForTheSidecar) {
  ExecBench bench;
  bench.client.health_reply->set_ready(false);
  bench.processes.events = {Signalled{.number = SIGUSR1}, Signalled{.number = SIGTERM}};
  const auto code = bench.Run();
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_EQ(*code, 128 + SIGTERM);
  EXPECT_THAT(bench.processes.started, IsEmpty());
}

TEST(ExecTest, SignalsAreHandedOnUnlessTheTerminalHasDoneSo) {
  ExecBench bench;
  bench.processes.events = {
      Signalled{.number = SIGHUP}, Signalled{.number = SIGINT, .from_terminal = true},
      Signalled{.number = SIGTERM}, Signalled{.number = SIGTERM}, Ended{.code = 128 + SIGTERM}};
  const auto code = bench.Run();
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_EQ(*code, 128 + SIGTERM);
  EXPECT_THAT(bench.processes.forwarded, ElementsAre(SIGHUP, SIGTERM, SIGTERM));
}

TEST(ExecTest, ACommandThatCannotStartEndsTheSidecarToo) {
  ExecBench bench;
  bench.processes.start_outcome =
      std::unexpected(Failure{.exit = ExitCode::kNoCommand, .message = "can't start server"});
  const auto code = bench.Run();
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().exit, ExitCode::kNoCommand);
  EXPECT_EQ(bench.client.shutdowns.size(), 1U) << "else the pod would never end";
}

TEST(ExecTest, ASidecarThatHasGoneDoesNotChangeTheCode) {
  ExecBench bench;
  bench.processes.events = {Ended{.code = 0}};
  bench.client.shutdown_reply =
      std::unexpected(Failure{.exit = ExitCode::kUnavailable, .message = "there is no socket"});
  const auto code = bench.Run();
  ASSERT_TRUE(code);
  EXPECT_EQ(*code, 0);
  EXPECT_EQ(bench.err.str(), "The sidecar was not told to end: there is no socket.\n");
}

TEST(ExecTest, AfterWhichEndTheSidecarEndsIsAChoice) {
  using enum ExecOptions::Shutdown;
  const auto shutdowns = [](ExecOptions::Shutdown when, int code) {
    ExecBench bench;
    bench.processes.events = {Ended{.code = code}};
    EXPECT_EQ(*bench.Run(when), code);
    return bench.client.shutdowns.size();
  };
  EXPECT_EQ(shutdowns(kAlways, 0), 1U);
  EXPECT_EQ(shutdowns(kAlways, 1), 1U);
  EXPECT_EQ(shutdowns(kOnSuccess, 0), 1U);
  EXPECT_EQ(shutdowns(kOnSuccess, 1), 0U);
  EXPECT_EQ(shutdowns(kNever, 0), 0U);
}

}  // namespace
}  // namespace remora::cli
