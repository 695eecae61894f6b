#include "cli/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "tests/unit/cli/fake_control_client.h"

namespace remora::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Ends at once and well, and keeps what was started.
class OneCommand final : public Processes {
 public:
  explicit OneCommand(std::vector<std::string>& started) : started_(started) {}

  Outcome Start(const std::vector<std::string>& command) override {
    started_ = command;
    return {};
  }
  std::optional<Event> Next(std::optional<std::chrono::milliseconds>) override {
    return Ended{.code = 42};
  }
  void Forward(int) override {}

 private:
  std::vector<std::string>& started_;
};

// Runs one command line against a fake server and keeps what came of it.
struct Invocation {
  explicit Invocation(std::vector<std::string> arguments,
                      std::optional<std::string> remora_server = "unix:/from-environment.sock",
                      SocketOwner owner = SocketOwner::kNobody) {
    exit = RunCommandLine(
        std::move(arguments),
        {.environment = {.remora_server = std::move(remora_server),
                         .xdg_runtime_dir = std::nullopt,
                         .uid = 0,
                         .look = [owner](const std::string&) { return owner; }},
         .connect =
             [this](const std::string& to, std::chrono::milliseconds limit) {
               address = to;
               timeout = limit;
               auto client = std::make_unique<FakeControlClient>();
               client->health_reply->set_ready(true);
               *client->add_reply->mutable_server() = MakeServer("a", "http://a:1");
               client->get_reply = std::unexpected(
                   Failure{.exit = ExitCode::kNotFound, .message = "there is no server \"a\""});
               return Reply<std::unique_ptr<ControlClient>>(std::move(client));
             },
         .clock = clock,
         .out = out,
         .err = err,
         .processes = [this] { return std::make_unique<OneCommand>(started); }});
  }

  std::string address;
  std::vector<std::string> started;  // by exec
  std::chrono::milliseconds timeout{0};
  FakeClock clock;
  std::ostringstream out;
  std::ostringstream err;
  ExitCode exit = ExitCode::kFailure;
};

TEST(CommandLineTest, GlobalOptionsMayStandAfterTheCommand) {
  const Invocation run(
      {"servers", "list", "-o", "json", "--server", "127.0.0.1:1", "--timeout", "250ms"});
  EXPECT_EQ(run.exit, ExitCode::kOk) << run.err.str();
  EXPECT_EQ(run.address, "127.0.0.1:1");
  EXPECT_EQ(run.timeout, std::chrono::milliseconds(250));
  EXPECT_THAT(run.out.str(), HasSubstr("\"servers\""));
}

TEST(CommandLineTest, TheServerComesFromTheEnvironmentWhenNoneIsGiven) {
  const Invocation run({"health"});
  EXPECT_EQ(run.address, "unix:/from-environment.sock");
  EXPECT_EQ(run.timeout, std::chrono::seconds(5));
}

TEST(CommandLineTest, ASocketOfAnotherUserIsNotCalledUnlessItIsNamed) {
  const Invocation run({"health"}, std::nullopt, SocketOwner::kOther);
  EXPECT_EQ(run.exit, ExitCode::kAuth);
  EXPECT_EQ(run.address, "") << "nothing was called";
  EXPECT_THAT(run.err.str(), HasSubstr("another user"));
  EXPECT_THAT(run.err.str(), HasSubstr("\nhint: "));
  const Invocation exec({"exec", "--", "app"}, std::nullopt, SocketOwner::kOther);
  EXPECT_EQ(exec.exit, ExitCode::kAuth);
  EXPECT_EQ(exec.started, std::vector<std::string>()) << "nothing was started";
  const Invocation named({"health", "--server", "unix:/run/remora/control.sock"}, std::nullopt,
                         SocketOwner::kOther);
  EXPECT_EQ(named.exit, ExitCode::kOk);
}

TEST(CommandLineTest, WrongArgumentsEndWithTwoBeforeAnythingIsCalled) {
  const std::vector<std::vector<std::string>> lines = {
      {},
      {"frobnicate"},
      {"servers"},
      {"servers", "lst"},
      {"servers", "add"},
      {"servers", "add", "a:1", "b:1"},
      {"servers", "add", "a:1", "--weight", "-1"},
      {"servers", "add", "a:1", "--weight", "many"},
      {"servers", "add", "a:1", "--label", "zone"},
      {"servers", "add", "a:1", "--label", "=x"},
      {"servers", "remove"},
      {"servers", "remove", "a", "--drain-timeout", "30"},
      {"health", "--timeout", "0"},
      {"health", "--output", "xml"},
      {"health", "--colour"},
      {"wait", "--for", "godot"},
      {"shutdown", "--scope", "outbound"},
      {"exec"},
      {"exec", "app"},
      {"exec", "--"},
      {"exec", "--shutdown", "maybe", "--", "app"},
      {"inject"},
      {"inject", "-f", "a", "--check", "--remove"},
      {"inject", "-f", "a", "--direction", "both"},
      {"inject", "-f", "a", "--memory-limit", "much"},
      {"inject", "-f", "a", "--kubernetes", "new"},
      {"inject", "-f", "a", "-o", "json"},
  };
  for (const auto& line : lines) {
    const Invocation run(line);
    EXPECT_EQ(run.exit, ExitCode::kUsage) << testing::PrintToString(line);
    EXPECT_EQ(run.address, "") << testing::PrintToString(line);
    EXPECT_EQ(run.out.str(), "");
    EXPECT_THAT(run.err.str(), StartsWith("error: "));
    EXPECT_THAT(run.err.str(), HasSubstr("\nhint: "));
  }
}

TEST(CommandLineTest, LabelsMayBeGivenSeveralTimes) {
  const Invocation run({"servers", "add", "--label", "a=1", "--label", "b=2=3", "a:1"});
  EXPECT_EQ(run.exit, ExitCode::kOk) << run.err.str();
}

TEST(CommandLineTest, AFailureGoesToStderrAndItsCodeIsReturned) {
  const Invocation run({"servers", "get", "a"});
  EXPECT_EQ(run.exit, ExitCode::kNotFound);
  EXPECT_EQ(run.out.str(), "");
  EXPECT_EQ(run.err.str(), "error: there is no server \"a\"\n");
}

TEST(CommandLineTest, QuietLeavesOnlyTheData) {
  const Invocation run({"-q", "servers", "add", "a:1"});
  EXPECT_EQ(run.exit, ExitCode::kOk);
  EXPECT_EQ(run.err.str(), "");
  EXPECT_THAT(run.out.str(), HasSubstr("http://a:1"));
}

TEST(CommandLineTest, NoHeadersLeavesOnlyRows) {
  const Invocation run({"-q", "--no-headers", "servers", "add", "a:1"});
  EXPECT_THAT(run.out.str(), StartsWith("a "));
}

TEST(CommandLineTest, AHealthcheckSaysNothing) {
  const Invocation ready({"healthcheck"});
  EXPECT_EQ(ready.exit, ExitCode::kOk);
  EXPECT_EQ(ready.out.str() + ready.err.str(), "");
}

TEST(CommandLineTest, TheCallsOfALongWaitAreShort) {
  const Invocation longer({"wait", "--for=ready", "--timeout", "5m"});
  EXPECT_EQ(longer.exit, ExitCode::kOk) << longer.err.str();
  EXPECT_EQ(longer.timeout, std::chrono::seconds(5));
  const Invocation shorter({"wait", "--timeout", "1s"});
  EXPECT_EQ(shorter.timeout, std::chrono::seconds(1));
}

TEST(CommandLineTest, TheCommandOfExecIsNotRead) {
  const std::vector<std::string> command = {"app", "[a,b]", "--timeout", "x", "", "--", "servers"};
  std::vector<std::string> arguments = {"exec", "--timeout", "1s", "--shutdown=never", "--"};
  arguments.insert(arguments.end(), command.begin(), command.end());
  const Invocation run(arguments);
  EXPECT_EQ(static_cast<int>(run.exit), 42) << run.err.str();
  EXPECT_EQ(run.started, command);
  EXPECT_EQ(run.timeout, std::chrono::seconds(1));
}

TEST(CommandLineTest, InjectReadsAFileAndCallsNobody) {
  const std::string file = testing::TempDir() + "remora-inject.yaml";
  const std::string text =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a}]\n";
  std::ofstream(file) << text;
  // A socket of another user is no matter, as it is not used.
  const Invocation run({"inject", "-f", file, "--config", "web"}, std::nullopt,
                       SocketOwner::kOther);
  EXPECT_EQ(run.exit, ExitCode::kOk) << run.err.str();
  EXPECT_EQ(run.address, "");
  EXPECT_THAT(run.out.str(), HasSubstr("\n  - name: remora\n"));
  EXPECT_EQ(run.err.str(), "Pod/a: sidecar added\n");
  const Invocation quiet({"-q", "inject", "-f", file, "--remove"});
  EXPECT_EQ(quiet.out.str(), text);
  EXPECT_EQ(quiet.err.str(), "");
  const Invocation check({"inject", "-f", file, "--check", "--kubernetes", "1.28"});
  EXPECT_EQ(check.exit, ExitCode::kFailure);
  EXPECT_THAT(check.out.str(), StartsWith(file + ":4:1: Pod/a: Kubernetes 1.28 has no native "));
  EXPECT_THAT(check.out.str(), HasSubstr("\n  mend: "));
  EXPECT_EQ(check.err.str(), "error: 3 things stand in the way of the sidecar\n");
  std::filesystem::remove(file);
  const Invocation gone({"inject", "-f", file});
  EXPECT_EQ(gone.exit, ExitCode::kUsage);
  EXPECT_THAT(gone.err.str(), StartsWith("error: can't read " + file));
}

TEST(CommandLineTest, HelpGoesToStdoutAndDocumentsEveryExitCode) {
  const Invocation run({"--help"});
  EXPECT_EQ(run.exit, ExitCode::kOk);
  for (const char* part : {"0 done", "1 failed", "2 wrong", "3 not found", "4 already", "5 not ",
                           "69 ", "124 ", "130 "}) {
    EXPECT_THAT(run.out.str(), HasSubstr(part));
  }
}

}  // namespace
}  // namespace remora::cli
