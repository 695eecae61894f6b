// The notations of the configuration, the environment, and what `auto` means.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "server/config/cpu_quota.h"
#include "server/config/flags.h"
#include "server/config/load.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ValuesTest, DurationsAreDigitsAndAUnit) {
  EXPECT_EQ(ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(ParseDuration("5s"), milliseconds(5'000));
  EXPECT_EQ(ParseDuration("1m"), milliseconds(60'000));
  EXPECT_EQ(ParseDuration("1h"), milliseconds(3'600'000));
  EXPECT_EQ(ParseDuration("0"), milliseconds(0));
  for (const std::string_view bad :
       {"", "5", "s", "-5s", "+5s", " 5s", "5 s", "5S", "1.5s", "5sec", "1h30m", "0x5s",
        "99999999999999999999s", "9223372036854775807h"}) {
    EXPECT_EQ(ParseDuration(bad), std::nullopt) << bad;
  }
}

TEST(ValuesTest, DurationsAreShownInTheLargestUnitThatIsExact) {
  EXPECT_EQ(FormatDuration(milliseconds(0)), "0s");
  EXPECT_EQ(FormatDuration(milliseconds(250)), "250ms");
  EXPECT_EQ(FormatDuration(milliseconds(90'000)), "90s");
  EXPECT_EQ(FormatDuration(milliseconds(7'200'000)), "2h");
}

TEST(ValuesTest, SizesAreBytesOrPowersOf1024) {
  EXPECT_EQ(ParseSize("0"), 0U);
  EXPECT_EQ(ParseSize("65536"), 65'536U);
  EXPECT_EQ(ParseSize("64KiB"), 65'536U);
  EXPECT_EQ(ParseSize("1MiB"), 1'048'576U);
  EXPECT_EQ(ParseSize("2GiB"), 2'147'483'648U);
  for (const std::string_view bad :
       {"", "KiB", "1KB", "1kib", "1 KiB", "-1", "9223372036854775807GiB"}) {
    EXPECT_EQ(ParseSize(bad), std::nullopt) << bad;
  }
}

TEST(ValuesTest, AddressesAreAnIpAndAPort) {
  const auto v4 = ParseIpPort("127.0.0.1:3000");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->ip, "127.0.0.1");
  EXPECT_EQ(v4->port, 3000);
  const auto v6 = ParseIpPort("[::1]:0");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->ip, "::1");
  EXPECT_EQ(v6->port, 0);
  for (const std::string_view bad :
       {"", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "[::1]",
        "[127.0.0.1]:80", "name:80", "127.1:80", "127.0.0.1:80 ", "[::1]80"}) {
    EXPECT_FALSE(ParseIpPort(bad)) << bad;
  }
}

TEST(ValuesTest, OnlyLoopbackWithInsecureMayServeTheControlApiOverTcp) {
  EXPECT_TRUE(CheckControlTcp("127.0.0.1:0", true).ok());
  EXPECT_TRUE(CheckControlTcp("[::1]:3001", true).ok());
  EXPECT_FALSE(CheckControlTcp("127.0.0.1:0", false).ok());
  EXPECT_FALSE(CheckControlTcp("0.0.0.0:3001", true).ok());
  EXPECT_FALSE(CheckControlTcp("[::]:3001", true).ok());
  EXPECT_FALSE(CheckControlTcp("10.0.0.1:3001", true).ok());
  EXPECT_FALSE(CheckControlTcp("[::ffff:127.0.0.1]:1", true).ok());
}

TEST(ValuesTest, TheNearestWordIsOneThatASlipOfTheFingersExplains) {
  constexpr std::array<std::string_view, 3> kWords{"address", "insecure", "level"};
  EXPECT_EQ(Nearest("adress", kWords), "address");
  EXPECT_EQ(Nearest("levle", kWords), "level");
  EXPECT_EQ(Nearest("insecrue", kWords), "insecure");
  EXPECT_EQ(Nearest("colour", kWords), "");
  EXPECT_EQ(Nearest(std::string(1000, 'a'), kWords), "");
}

TEST(ValuesTest, TheDefaultControlSocketIsInADirectoryOfTheUser) {
  EXPECT_EQ(DefaultControlAddress(0, "/run/user/0"), "unix:/run/remora/control.sock");
  EXPECT_EQ(DefaultControlAddress(1000, "/run/user/1000"),
            "unix:/run/user/1000/remora/control.sock");
  EXPECT_EQ(DefaultControlAddress(1000, ""), "unix:/tmp/remora-1000/control.sock");
  EXPECT_EQ(DefaultControlAddress(1000, "relative"), "unix:/tmp/remora-1000/control.sock");
}

TEST(CpuQuotaTest, AQuotaIsRoundedUpToWholeCpus) {
  EXPECT_EQ(CpusOfQuota("150000 100000\n"), 2U);
  EXPECT_EQ(CpusOfQuota("200000 100000"), 2U);
  EXPECT_EQ(CpusOfQuota("10000 100000"), 1U);
  for (const std::string_view none : {"", "max 100000\n", "100000", "x y", "1 0", "0 1"}) {
    EXPECT_EQ(CpusOfQuota(none), std::nullopt) << none;
  }
}

TEST(CpuQuotaTest, AutoIsOneToFourWorkers) {
  EXPECT_EQ(AutoWorkers(2, 64), 2U);
  EXPECT_EQ(AutoWorkers(16, 64), 4U);
  EXPECT_EQ(AutoWorkers(std::nullopt, 3), 3U);
  EXPECT_EQ(AutoWorkers(std::nullopt, 0), 1U);
}

GetEnv EnvironmentOf(const std::map<std::string, std::string>& variables) {
  return [&variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

TEST(EnvironmentTest, AVariableIsNamedAfterItsPath) {
  const std::map<std::string, std::string> variables{
      {"REMORA_CONTROL_ADDRESS", "unix:/x"},    {"REMORA_WORKERS", "2"},
      {"REMORA_LISTEN", "127.0.0.1:1,[::1]:2"}, {"REMORA_SHUTDOWN_DELAY", "1s"},
      {"REMORA_SERVICE_HOST", "10.0.0.1"},      {"REMORA_LOG_LEVEL", ""}};
  std::map<std::string, std::vector<std::string>> seen;
  for (const Override& setting : ReadEnvironment(EnvironmentOf(variables))) {
    seen[setting.source + "=" + setting.path] = setting.values;
  }
  const std::map<std::string, std::vector<std::string>> expected{
      {"REMORA_CONTROL_ADDRESS=control.address", {"unix:/x"}},
      {"REMORA_WORKERS=workers", {"2"}},
      {"REMORA_LISTEN=listeners", {"127.0.0.1:1", "[::1]:2"}},
      {"REMORA_SHUTDOWN_DELAY=shutdown.delay", {"1s"}}};
  EXPECT_EQ(seen, expected);
}

TEST(EnvironmentTest, EveryScalarPathIsAKeyOfTheTables) {
  const std::map<std::string, std::string> good{{"workers", "1"},
                                                {"limits.connections", "5"},
                                                {"control.address", "unix:/x/y"},
                                                {"control.insecure", "true"},
                                                {"admin.address", "127.0.0.1:0"},
                                                {"admin.allow_mutations", "true"},
                                                {"log.level", "warn"},
                                                {"log.format", "text"},
                                                {"log.access.enabled", "false"},
                                                {"log.access.sample", "0.5"},
                                                {"log.access.path", "/x/access.log"},
                                                {"shutdown.delay", "1s"},
                                                {"shutdown.deadline", "9s"}};
  ASSERT_EQ(ScalarPaths().size(), good.size());
  for (const std::string_view path : ScalarPaths()) {
    const ConfigSources sources{
        .demo = false,
        .file_text = std::nullopt,
        .file_name = {},
        .overrides = {{"X", std::string(path), {good.at(std::string(path))}}}};
    EXPECT_TRUE(BuildConfig(sources).ok()) << path;
  }
}

// ---- the grace of a pod ----

absl::StatusOr<Config> InPod(const std::string& grace, const std::string& file = "") {
  return BuildConfig(
      {.demo = false, .file_text = file, .file_name = "c.yaml", .overrides = {}, .grace = grace});
}

TEST(GraceTest, TheTimesThatNobodySetFitIntoIt) {
  struct Case {
    const char* grace;
    milliseconds delay;
    milliseconds deadline;
  };
  for (const auto& [grace, delay, deadline] :
       {Case{"30", seconds(5), seconds(28)}, Case{"120", seconds(5), seconds(118)},
        Case{"7", milliseconds(2500), seconds(5)}, Case{"2", seconds(0), seconds(0)},
        Case{"0", seconds(0), seconds(0)}}) {
    const auto config = InPod(grace);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->shutdown.delay, delay) << grace;
    EXPECT_EQ(config->shutdown.deadline, deadline) << grace;
    EXPECT_TRUE(config->warnings.empty()) << grace << ": " << config->warnings.front();
    EXPECT_EQ(config->origins.at("shutdown.deadline"), "TERMINATION_GRACE_PERIOD_SECONDS");
    EXPECT_EQ(config->origins.contains("shutdown.delay"), delay != seconds(5)) << grace;
  }
}

TEST(GraceTest, WhatSomebodySetStaysAndIsWarnedOf) {
  const auto fits = InPod("60", "shutdown: {delay: 1s, deadline: 10s}");
  ASSERT_TRUE(fits.ok()) << fits.status();
  EXPECT_EQ(fits->shutdown.deadline, seconds(10));
  EXPECT_EQ(fits->origins.at("shutdown.deadline"), "c.yaml:1:33");
  EXPECT_TRUE(fits->warnings.empty());
  const auto late = InPod("10", "shutdown: {deadline: 9s}");
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_EQ(late->shutdown.deadline, seconds(9));
  EXPECT_EQ(late->warnings,
            std::vector<std::string>{
                "shutdown.deadline is 9s, but the pod is killed 10s after its end began "
                "(TERMINATION_GRACE_PERIOD_SECONDS): set it to 8s at most, or make "
                "terminationGracePeriodSeconds longer"});
  const auto slow = InPod("10", "shutdown: {delay: 12s}");
  ASSERT_TRUE(slow.ok()) << slow.status();
  EXPECT_EQ(slow->shutdown.delay, seconds(12));
  EXPECT_EQ(slow->shutdown.deadline, seconds(12)) << "never before the delay is over";
  EXPECT_EQ(slow->warnings.size(), 2U);
}

TEST(GraceTest, WhatIsNoNumberIsAnError) {
  for (const char* const bad : {"30s", "-1", "1.5", "99999999", "\x1b"}) {
    const auto config = InPod(bad);
    ASSERT_FALSE(config.ok()) << bad;
    EXPECT_NE(config.status().message().find("TERMINATION_GRACE_PERIOD_SECONDS: '"),
              std::string::npos)
        << config.status();
  }
}

TEST(GraceTest, ItComesFromTheEnvironment) {
  const std::map<std::string, std::string> variables{{"TERMINATION_GRACE_PERIOD_SECONDS", "20"}};
  Flags flags;
  flags.config_file = "/dev/null";
  const auto config = LoadConfig(flags, EnvironmentOf(variables));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->shutdown.deadline, seconds(18));
}

Flags Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "remorad");
  const auto parsed = ParseFlags(static_cast<int>(arguments.size()), arguments.data());
  const Flags* const flags = std::get_if<Flags>(&parsed);
  EXPECT_NE(flags, nullptr);
  return flags == nullptr ? Flags() : *flags;
}

TEST(FlagsTest, FlagsAloneDescribeAWorkingProxy) {
  const Flags flags =
      Parse({"--listen", "127.0.0.1:0", "--server", "127.0.0.1:9001", "--server", "127.0.0.1:9002",
             "--workers", "1", "--control", "127.0.0.1:0", "--control-insecure", "--admin",
             "127.0.0.1:0", "--shutdown-delay", "0s", "--config", "/dev/null"});
  const std::map<std::string, std::string> none;
  const auto config = LoadConfig(flags, EnvironmentOf(none));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->servers.size(), 2U);
  EXPECT_EQ(config->proxy.workers, 1U);
  EXPECT_EQ(config->control.address, "127.0.0.1:0");
  EXPECT_TRUE(config->control.insecure);
  EXPECT_EQ(config->shutdown.delay, milliseconds(0));
}

// In a directory of its own, for what is looked up.
class LookUpTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "remora-config-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(directory_);
  }
  void TearDown() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(directory_);
  }

  std::filesystem::path directory_;
  std::filesystem::path before_;
};

TEST_F(LookUpTest, AFileThatCanNotBeLookedAtIsAnErrorThatNamesIt) {
  const std::map<std::string, std::string> none;
  std::filesystem::create_symlink("config.yaml", "config.yaml");  // an error for root as well
  const auto config = LoadConfig(Flags(), EnvironmentOf(none));
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().message(),
            "config.yaml: cannot be read: Too many levels of symbolic links");
}

TEST_F(LookUpTest, AFileThatIsNotThereIsNone) {
  const std::map<std::string, std::string> none;
  if (std::filesystem::exists("/etc/remora/config.yaml")) GTEST_SKIP() << "this machine has one";
  const auto config = LoadConfig(Flags(), EnvironmentOf(none));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->file, "");
}

TEST(FlagsTest, FlagsWinOverTheEnvironment) {
  const std::map<std::string, std::string> variables{{"REMORA_WORKERS", "2"},
                                                     {"REMORA_ADMIN_ADDRESS", "127.0.0.1:7"}};
  const auto config =
      LoadConfig(Parse({"--workers", "3", "--config", "/dev/null"}), EnvironmentOf(variables));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->proxy.workers, 3U);
  EXPECT_EQ(config->admin.address, "127.0.0.1:7");
}

TEST(FlagsTest, AnUnknownFlagIsWrongUsage) {
  const std::array<const char*, 2> arguments{"remorad", "--frobnicate"};
  testing::internal::CaptureStderr();
  const auto parsed = ParseFlags(2, arguments.data());
  testing::internal::GetCapturedStderr();
  ASSERT_TRUE(std::holds_alternative<int>(parsed));
  EXPECT_EQ(std::get<int>(parsed), 64);
}

TEST(FlagsTest, AFileThatIsAskedForAndMissingIsAnError) {
  const std::map<std::string, std::string> none;
  const auto config = LoadConfig(Parse({"--config", "/nonexistent.yaml"}), EnvironmentOf(none));
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(std::string(config.status().message()),
            "/nonexistent.yaml: cannot be read: No such file or directory");
}

}  // namespace
}  // namespace remora::server
