#include "cli/address.h"

#include <gtest/gtest.h>

#include <set>

namespace remora::cli {
namespace {

Environment MakeEnvironment(std::set<std::string> paths) {
  return {.remora_server = std::nullopt,
          .xdg_runtime_dir = "/run/user/1000",
          .uid = 1000,
          .exists = [paths = std::move(paths)](const std::string& path) {
            return paths.contains(path);
          }};
}

TEST(DefaultAddressTest, TheEnvironmentVariableWins) {
  Environment environment = MakeEnvironment({"/run/remora/control.sock"});
  environment.remora_server = "127.0.0.1:3001";
  EXPECT_EQ(DefaultAddress(environment), "127.0.0.1:3001");
}

TEST(DefaultAddressTest, TheFirstSocketThatExistsIsTaken) {
  EXPECT_EQ(DefaultAddress(
                MakeEnvironment({"/run/remora/control.sock", "/run/user/1000/remora/control.sock",
                                 "/tmp/remora-1000/control.sock"})),
            "unix:/run/remora/control.sock");
  EXPECT_EQ(DefaultAddress(MakeEnvironment(
                {"/run/user/1000/remora/control.sock", "/tmp/remora-1000/control.sock"})),
            "unix:/run/user/1000/remora/control.sock");
  EXPECT_EQ(DefaultAddress(MakeEnvironment({"/tmp/remora-1000/control.sock"})),
            "unix:/tmp/remora-1000/control.sock");
}

TEST(DefaultAddressTest, WithoutAnySocketThePathThatADaemonOfThisUserMakesIsNamed) {
  Environment environment = MakeEnvironment({});
  EXPECT_EQ(DefaultAddress(environment), "unix:/run/user/1000/remora/control.sock");
  environment.xdg_runtime_dir = std::nullopt;
  EXPECT_EQ(DefaultAddress(environment), "unix:/tmp/remora-1000/control.sock");
  environment.uid = 0;
  EXPECT_EQ(DefaultAddress(environment), "unix:/run/remora/control.sock");
}

TEST(TargetForTest, UnixSocketsAndTcpAddressesBecomeTargetsOfGrpc) {
  EXPECT_EQ(TargetFor("unix:/run/x.sock"), "unix:/run/x.sock");
  EXPECT_EQ(TargetFor("unix:///run/x.sock"), "unix:/run/x.sock");
  EXPECT_EQ(TargetFor("127.0.0.1:3001"), "dns:///127.0.0.1:3001");
  EXPECT_EQ(TargetFor("localhost:3001"), "dns:///localhost:3001");
  EXPECT_EQ(TargetFor("[::1]:3001"), "dns:///[::1]:3001");
}

TEST(TargetForTest, AnythingElseIsRefusedWithTheTwoFormsNamed) {
  for (const char* text :
       {"", "localhost", ":3001", "localhost:", "localhost:0", "localhost:70000", "localhost:http",
        "unix:x.sock", "unix:", "/run/x.sock", "::1:3001", "http://localhost:3001", "dns:///a:1"}) {
    const auto target = TargetFor(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(target.error(),
              "'" + std::string(text) + "' is not an address: write unix:/path or host:port");
  }
}

}  // namespace
}  // namespace remora::cli
