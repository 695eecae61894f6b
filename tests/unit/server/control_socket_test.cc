// Who may open the control socket, and what a flood of connections does to it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/base/socket_address.h"
#include "server/control/accept_loop.h"
#include "server/control/connection_table.h"
#include "server/control/listen_socket.h"

namespace remora::server {
namespace {

class ControlSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "remora-socket-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(std::string_view name = "control.sock") const {
    return directory_ + "/" + std::string(name);
  }
  std::string Address(std::string_view name = "control.sock") const { return "unix:" + Path(name); }

  static std::string ErrorOf(const absl::StatusOr<ListenSocket>& socket) {
    return socket.ok() ? "opened" : std::string(socket.status().message());
  }

  static UniqueFd Connect(const std::string& path) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = proxy::SocketAddress::FromUnixPath(path);
    if (connect(fd.get(), address->data(), address->size()) != 0) fd.Reset();
    return fd;
  }

  std::string directory_;
};

mode_t ModeOf(const std::string& path) {
  struct stat info{};
  EXPECT_EQ(lstat(path.c_str(), &info), 0);
  return info.st_mode & 07777;
}

// Ends of stream or an error within a second: the peer has closed.
bool IsClosed(int fd) {
  pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
  if (poll(&entry, 1, 1000) != 1) return false;
  char byte = 0;
  return recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

TEST_F(ControlSocketTest, TheModeIs0600WhateverTheUmask) {
  for (const mode_t mask : {mode_t{0}, mode_t{0777}, mode_t{022}}) {
    const mode_t before = umask(mask);
    const auto socket = ListenSocket::Open(Address(), false);
    umask(before);
    ASSERT_TRUE(socket.ok()) << socket.status();
    EXPECT_EQ(ModeOf(Path()), mode_t{0600});
    EXPECT_EQ(socket->address(), Address());
    EXPECT_TRUE(socket->is_unix());
  }
}

TEST_F(ControlSocketTest, AMissingDirectoryIsMadePrivate) {
  const auto socket = ListenSocket::Open(Address("run/control.sock"), false);
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(ModeOf(Path("run")), mode_t{0700});
}

TEST_F(ControlSocketTest, ADirectoryThatOthersMayWriteIsRefusedAndASubdirectoryAdvised) {
  ASSERT_EQ(mkdir(Path("open").c_str(), 0700), 0);
  ASSERT_EQ(chmod(Path("open").c_str(), 0777), 0);
  const std::string error = ErrorOf(ListenSocket::Open(Address("open/control.sock"), false));
  EXPECT_NE(error.find("is writable by other users (mode 0777)"), std::string::npos) << error;
  const std::string advised = Address("open/remora/control.sock");
  EXPECT_NE(error.find("use a subdirectory, such as " + advised + ": it is made with mode 0700"),
            std::string::npos)
      << error;
  EXPECT_EQ(ErrorOf(ListenSocket::Open(advised, false)), "opened");
  EXPECT_EQ(ModeOf(Path("open/remora")), mode_t{0700});
  ASSERT_EQ(chmod(Path("open").c_str(), 01777), 0);  // as /tmp
  EXPECT_EQ(ErrorOf(ListenSocket::Open(Address("open/control.sock"), false)), "opened");
}

TEST_F(ControlSocketTest, ALinkIsFollowedAndWhatItLeadsToIsJudged) {
  ASSERT_EQ(mkdir(Path("real").c_str(), 0700), 0);
  ASSERT_EQ(symlink(Path("real").c_str(), Path("link").c_str()), 0);
  EXPECT_EQ(ErrorOf(ListenSocket::Open(Address("link/control.sock"), false)), "opened");
  ASSERT_EQ(chmod(Path("real").c_str(), 0777), 0);
  EXPECT_NE(ErrorOf(ListenSocket::Open(Address("link/control.sock"), false)).find("writable by"),
            std::string::npos);
}

TEST_F(ControlSocketTest, ADirectoryOrALinkOfAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(mkdir(Path("real").c_str(), 0700), 0);
  ASSERT_EQ(symlink(Path("real").c_str(), Path("link").c_str()), 0);
  ASSERT_EQ(lchown(Path("link").c_str(), 4711, 0), 0);
  EXPECT_NE(ErrorOf(ListenSocket::Open(Address("link/control.sock"), false)).find("uid 4711"),
            std::string::npos);
  EXPECT_EQ(ErrorOf(ListenSocket::Open(Address("real/control.sock"), false)), "opened");
  ASSERT_EQ(chown(Path("real").c_str(), 4711, 0), 0);
  EXPECT_NE(ErrorOf(ListenSocket::Open(Address("real/control.sock"), false)).find("uid 4711"),
            std::string::npos);
}

TEST_F(ControlSocketTest, TheFileIsGoneWhenTheSocketIs) {
  {
    ASSERT_TRUE(ListenSocket::Open(Address(), false).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(Path()));
}

TEST_F(ControlSocketTest, TheSocketOfADeadProcessIsReplaced) {
  {
    const UniqueFd dead(socket(AF_UNIX, SOCK_STREAM, 0));
    const auto address = proxy::SocketAddress::FromUnixPath(Path());
    ASSERT_EQ(bind(dead.get(), address->data(), address->size()), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(Path()));
  const auto socket = ListenSocket::Open(Address(), false);
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(Connect(Path()));
}

TEST_F(ControlSocketTest, ALiveSocketIsRefusedAndKept) {
  const auto first = ListenSocket::Open(Address(), false);
  ASSERT_TRUE(first.ok());
  const auto second = ListenSocket::Open(Address(), false);
  EXPECT_EQ(ErrorOf(second), "cannot bind control " + Address() + ": another process serves " +
                                 Path() + "; stop it or choose another path");
  EXPECT_TRUE(Connect(Path()));
}

TEST_F(ControlSocketTest, WhatIsNotASocketIsNeverRemoved) {
  std::ofstream(Path()) << "precious";
  EXPECT_NE(ErrorOf(ListenSocket::Open(Address(), false)).find("is not a socket"),
            std::string::npos);
  EXPECT_TRUE(std::filesystem::is_regular_file(Path()));
}

TEST_F(ControlSocketTest, ASocketThatTookOurPlaceIsNotRemoved) {
  {
    const auto socket = ListenSocket::Open(Address(), false);
    ASSERT_TRUE(socket.ok());
    std::filesystem::remove(Path());
    std::ofstream(Path()) << "another's";
  }
  EXPECT_TRUE(std::filesystem::exists(Path()));
}

TEST_F(ControlSocketTest, ALongOrRelativePathIsRefused) {
  EXPECT_FALSE(ListenSocket::Open("unix:" + std::string(108, '/'), false).ok());
  EXPECT_FALSE(ListenSocket::Open("unix:control.sock", false).ok());
  EXPECT_FALSE(ListenSocket::Open("unix:", false).ok());
}

TEST_F(ControlSocketTest, PortZeroTellsTheRealPort) {
  const auto socket = ListenSocket::Open("127.0.0.1:0", true);
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(socket->address().starts_with("127.0.0.1:"));
  EXPECT_FALSE(socket->address().ends_with(":0"));
  EXPECT_FALSE(socket->is_unix());
  const auto taken = ListenSocket::Open(socket->address(), true);
  EXPECT_NE(ErrorOf(taken).find("choose another address with --control"), std::string::npos);
}

// ---- the table of open connections ----

std::array<UniqueFd, 2> SocketPair() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

TEST(ConnectionTableTest, IsFullAtItsCapacityAndNotAfterAClose) {
  ConnectionTable table(2);
  auto a = SocketPair();
  auto b = SocketPair();
  EXPECT_TRUE(table.Admit(a[0].get()));
  EXPECT_TRUE(table.Admit(a[1].get()));
  EXPECT_FALSE(table.Admit(b[0].get()));
  a[0].Reset();
  EXPECT_EQ(table.CountOpen(), 1U);
  EXPECT_TRUE(table.Admit(b[0].get()));
}

TEST(ConnectionTableTest, ADescriptorThatIsAnotherSocketNowCountsAsClosed) {
  ConnectionTable table(1);
  auto a = SocketPair();
  const int fd = a[0].get();
  EXPECT_TRUE(table.Admit(fd));
  auto b = SocketPair();
  ASSERT_EQ(dup2(b[0].get(), fd), fd);  // closes a[0], and the number lives on
  EXPECT_EQ(table.CountOpen(), 0U);
}

TEST(ConnectionTableTest, ADescriptorThatIsAFileNowCountsAsClosed) {
  ConnectionTable table(1);
  auto a = SocketPair();
  EXPECT_TRUE(table.Admit(a[0].get()));
  const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(dup2(file.get(), a[0].get()), a[0].get());
  EXPECT_EQ(table.CountOpen(), 0U);
}

// ---- the loop ----

// Keeps what was handed over, and lets a test wait for it.
class Taken {
 public:
  AcceptLoop::HandOver HandOver() {
    return [this](UniqueFd fd) {
      const std::lock_guard lock(mutex_);
      fds_.push_back(std::move(fd));
      changed_.notify_all();
    };
  }
  bool WaitFor(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return fds_.size() >= count; });
  }
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return fds_.size();
  }
  void CloseOne() {
    const std::lock_guard lock(mutex_);
    fds_.front().Reset();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<UniqueFd> fds_;
};

TEST_F(ControlSocketTest, ConnectionsBeyondTheCapAreClosedAtOnceAndAPlaceIsUsedAgain) {
  const auto socket = ListenSocket::Open(Address(), false);
  ASSERT_TRUE(socket.ok());
  Taken taken;
  AcceptLoop loop(*socket, 2, taken.HandOver());
  const UniqueFd first = Connect(Path());
  const UniqueFd second = Connect(Path());
  ASSERT_TRUE(taken.WaitFor(2));
  const UniqueFd third = Connect(Path());
  EXPECT_TRUE(IsClosed(third.get()));
  EXPECT_EQ(taken.size(), 2U);
  taken.CloseOne();
  const UniqueFd fourth = Connect(Path());
  EXPECT_TRUE(taken.WaitFor(3));
}

TEST_F(ControlSocketTest, EachConnectionIsLoggedWithItsNumberAndWhoMadeIt) {
  const auto socket = ListenSocket::Open(Address(), false);
  ASSERT_TRUE(socket.ok());
  log::Init(log::Level::kDebug, log::Format::kJson);
  testing::internal::CaptureStderr();
  {
    Taken taken;
    AcceptLoop loop(*socket, 100, taken.HandOver());
    const UniqueFd first = Connect(Path());
    const UniqueFd second = Connect(Path());
    EXPECT_TRUE(taken.WaitFor(2));
  }
  const std::string text = testing::internal::GetCapturedStderr();
  log::Init(log::Level::kInfo, log::Format::kAuto);
  for (const char* number : {"1", "2"}) {
    const std::string line = "\"connection\":\"" + std::string(number) + "\",\"uid\":\"" +
                             std::to_string(geteuid()) + "\",\"pid\":\"" +
                             std::to_string(getpid()) + "\"";
    EXPECT_NE(text.find(line), std::string::npos) << text;
  }
}

// The limit on descriptors for the time of a scope.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit low{.rlim_cur = limit, .rlim_max = before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ControlSocketTest, OutOfDescriptorsItRefusesAndAfterwardsItAcceptsAgain) {
  const auto socket = ListenSocket::Open(Address(), false);
  ASSERT_TRUE(socket.ok());
  Taken taken;
  AcceptLoop loop(*socket, 100, taken.HandOver());
  const UniqueFd before = Connect(Path());
  ASSERT_TRUE(taken.WaitFor(1));
  const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = proxy::SocketAddress::FromUnixPath(Path());
  {
    // The lowest free number is what a new descriptor would get: nothing below the limit is free.
    const int free = dup(client.get());
    close(free);
    const DescriptorLimit limit(static_cast<rlim_t>(free));
    ASSERT_EQ(connect(client.get(), address->data(), address->size()), 0);
    EXPECT_TRUE(IsClosed(client.get()));
    EXPECT_EQ(taken.size(), 1U);
  }
  const UniqueFd after = Connect(Path());
  EXPECT_TRUE(taken.WaitFor(2));
}

}  // namespace
}  // namespace remora::server
