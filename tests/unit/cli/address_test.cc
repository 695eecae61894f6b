#include "cli/address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

namespace remora::cli {
namespace {

constexpr char kOfSystem[] = "/run/remora/control.sock";
constexpr char kOfSession[] = "/run/user/1000/remora/control.sock";
constexpr char kInTmp[] = "/tmp/remora-1000/control.sock";

Environment MakeEnvironment(const std::set<std::string>& trusted,
                            const std::set<std::string>& foreign = {}) {
  return {.remora_server = std::nullopt,
          .xdg_runtime_dir = "/run/user/1000",
          .uid = 1000,
          .look = [trusted, foreign](const std::string& path) {
            if (foreign.contains(path)) return SocketOwner::kOther;
            return trusted.contains(path) ? SocketOwner::kTrusted : SocketOwner::kNobody;
          }};
}

TEST(DefaultAddressTest, TheEnvironmentVariableWins) {
  Environment environment = MakeEnvironment({kOfSystem});
  environment.remora_server = "127.0.0.1:3001";
  EXPECT_EQ(DefaultAddress(environment), "127.0.0.1:3001");
}

TEST(DefaultAddressTest, TheFirstSocketThatExistsIsTakenAndOursComeFirst) {
  EXPECT_EQ(DefaultAddress(MakeEnvironment({kOfSystem, kOfSession, kInTmp})),
            std::string("unix:") + kOfSession);
  EXPECT_EQ(DefaultAddress(MakeEnvironment({kOfSystem, kInTmp})), std::string("unix:") + kInTmp);
  EXPECT_EQ(DefaultAddress(MakeEnvironment({kOfSystem})), std::string("unix:") + kOfSystem);
}

TEST(DefaultAddressTest, ASocketOfAnotherUserIsPassedOverAndNeverTheDefault) {
  EXPECT_EQ(DefaultAddress(MakeEnvironment({kOfSystem}, {kInTmp})),
            std::string("unix:") + kOfSystem);
  const auto only = DefaultAddress(MakeEnvironment({}, {kInTmp}));
  ASSERT_FALSE(only);
  EXPECT_NE(only.error().find(kInTmp), std::string::npos) << only.error();
}

TEST(DefaultAddressTest, RootNeverLooksWhereOthersCanMakeASocket) {
  Environment environment = MakeEnvironment({kOfSession, "/tmp/remora-0/control.sock"});
  environment.uid = 0;
  EXPECT_EQ(DefaultAddress(environment), std::string("unix:") + kOfSystem);
}

class LookAtSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "remora-look-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    directory_ = base_ + "/remora";
    ASSERT_EQ(mkdir(directory_.c_str(), 0700), 0);
    path_ = directory_ + "/control.sock";
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    close(fd);
  }
  void TearDown() override { std::filesystem::remove_all(base_); }

  std::string base_;
  std::string directory_;
  std::string path_;
};

TEST_F(LookAtSocketTest, OursIsTrustedAndWhatIsNotThereIsNobodys) {
  EXPECT_EQ(LookAtSocket(path_, getuid()), SocketOwner::kTrusted);
  EXPECT_EQ(LookAtSocket(directory_ + "/none.sock", getuid()), SocketOwner::kNobody);
  EXPECT_EQ(LookAtSocket("/no/such/directory/control.sock", getuid()), SocketOwner::kNobody);
}

TEST_F(LookAtSocketTest, ASocketOrADirectoryOfAnotherUserIsNotTrusted) {
  constexpr uid_t kOther = 4711;
  if (getuid() != 0) {
    EXPECT_EQ(LookAtSocket(path_, getuid() + 1), SocketOwner::kOther);
    GTEST_SKIP() << "only root can give files away";
  }
  EXPECT_EQ(LookAtSocket(path_, kOther), SocketOwner::kTrusted) << "root's";
  for (const std::string& theirs : {path_, directory_}) {
    ASSERT_EQ(chown(theirs.c_str(), kOther, 0), 0);
    EXPECT_EQ(LookAtSocket(path_, 0), SocketOwner::kOther) << theirs;
    EXPECT_EQ(LookAtSocket(path_, kOther), SocketOwner::kTrusted) << theirs;
    ASSERT_EQ(chown(theirs.c_str(), 0, 0), 0);
  }
  const std::string link = base_ + "/link";
  ASSERT_EQ(symlink(directory_.c_str(), link.c_str()), 0);
  EXPECT_EQ(LookAtSocket(link + "/control.sock", 0), SocketOwner::kTrusted);
  ASSERT_EQ(lchown(link.c_str(), kOther, 0), 0);
  EXPECT_EQ(LookAtSocket(link + "/control.sock", 0), SocketOwner::kOther);
}

TEST_F(LookAtSocketTest, AServiceToWhomRootGaveTheDirectoryIsTrusted) {
  if (getuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t kService = 61184;
  ASSERT_EQ(chown(directory_.c_str(), kService, kService), 0);
  ASSERT_EQ(chown(path_.c_str(), kService, kService), 0);
  EXPECT_EQ(LookAtSocket(path_, 0), SocketOwner::kTrusted);
  // As with DynamicUser: a link of root to a directory of the service.
  const std::string link = base_ + "/link";
  ASSERT_EQ(symlink(directory_.c_str(), link.c_str()), 0);
  EXPECT_EQ(LookAtSocket(link + "/control.sock", 0), SocketOwner::kTrusted);
  // Where others can make directories, nobody knows whose it is.
  ASSERT_EQ(chmod(base_.c_str(), 01777), 0);
  EXPECT_EQ(LookAtSocket(path_, 0), SocketOwner::kOther);
  ASSERT_EQ(chmod(base_.c_str(), 0700), 0);
  ASSERT_EQ(chown(base_.c_str(), kService, kService), 0);
  EXPECT_EQ(LookAtSocket(path_, 0), SocketOwner::kOther);
}

TEST_F(LookAtSocketTest, WhatOthersCanReplaceOrIsNoSocketIsNotTrusted) {
  ASSERT_EQ(chmod(directory_.c_str(), 0777), 0);
  EXPECT_EQ(LookAtSocket(path_, getuid()), SocketOwner::kOther);
  ASSERT_EQ(chmod(directory_.c_str(), 01777), 0);
  EXPECT_EQ(LookAtSocket(path_, getuid()), SocketOwner::kTrusted);
  std::ofstream(directory_ + "/file") << "x";
  EXPECT_EQ(LookAtSocket(directory_ + "/file", getuid()), SocketOwner::kOther);
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
