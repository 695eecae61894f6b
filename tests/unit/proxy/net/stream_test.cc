#include "proxy/net/stream.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/net/spawn.h"

namespace remora::proxy::net {
namespace {

// Generous, as each of several addresses gets only its share.
constexpr std::chrono::seconds kPatience{60};

using Connected = std::expected<std::unique_ptr<Stream>, error_code>;

error_code SystemError(int value) { return {value, boost::system::system_category()}; }

// A socket that listens at `address`, and where.
class Listening {
 public:
  explicit Listening(const SocketAddress& address)
      : fd_(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(bind(fd_, address.data(), address.size()), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    sockaddr_storage bound{};
    socklen_t size = sizeof(bound);
    auto* generic = reinterpret_cast<sockaddr*>(&bound);
    EXPECT_EQ(getsockname(fd_, generic, &size), 0);
    address_ = SocketAddress(generic, size);
  }
  ~Listening() { close(fd_); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  const SocketAddress& address() const { return address_; }

 private:
  int fd_;
  SocketAddress address_;
};

// Where nothing listens.
SocketAddress Refusing() { return Listening(*SocketAddress::FromIp("127.0.0.1", 0)).address(); }

Connected ConnectAny(std::vector<SocketAddress> addresses, std::size_t start) {
  Loop loop;
  Connected connected;
  Spawn(loop,
        Stream::ConnectAny(loop,
                           std::make_shared<const std::vector<SocketAddress>>(std::move(addresses)),
                           start, Clock::now() + kPatience),
        [&](const std::exception_ptr& failure, Connected result) {
          EXPECT_EQ(failure, nullptr);
          if (!result) connected = std::unexpected(result.error());
          loop.Close();
        });
  loop.Run();
  return connected;
}

// What is short in this process is short for each address; what one address lacks another may not.
TEST(StreamTest, OnlyWhatIsShortForEachDestinationIsAShortageOfOurOwn) {
  for (const int value : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    EXPECT_TRUE(IsLocalShortage(SystemError(value))) << value;
  }
  for (const int value : {EADDRNOTAVAIL, ECONNREFUSED, ENETUNREACH, EAFNOSUPPORT, ETIMEDOUT}) {
    EXPECT_FALSE(IsLocalShortage(SystemError(value))) << value;
  }
}

TEST(StreamTest, AnAddressThatFailsAtOnceIsFollowedByTheNext) {
  const Listening live(*SocketAddress::FromIp("127.0.0.1", 0));
  EXPECT_TRUE(ConnectAny({Refusing(), live.address()}, 0).has_value());
  EXPECT_TRUE(ConnectAny({live.address(), Refusing()}, 1).has_value());
  EXPECT_EQ(ConnectAny({Refusing(), Refusing()}, 0).error(), SystemError(ECONNREFUSED));
}

// Bug: `localhost` on a host without IPv6 was a shortage of our own at every second try.
TEST(StreamTest, AnAddressOfAFamilyThatTheHostLacksIsFollowedByTheNext) {
  const std::string path = std::filesystem::temp_directory_path() /
                           ("remora-stream-" + std::to_string(getpid()) + ".sock");
  const Listening live(*SocketAddress::FromUnixPath(path));
  bool alone = false;
  // A thread in a network of its own, in which not even the loopback device is up.
  std::thread([&] {
    alone = unshare(CLONE_NEWNET) == 0;
    if (!alone) return;
    const SocketAddress lacking = *SocketAddress::FromIp("::1", 1);
    EXPECT_EQ(ConnectAny({lacking}, 0).error(), SystemError(EADDRNOTAVAIL));
    EXPECT_TRUE(ConnectAny({lacking, live.address()}, 0).has_value());
  }).join();
  std::filesystem::remove(path);
  if (!alone) GTEST_SKIP() << "needs the right to make a network namespace";
}

}  // namespace
}  // namespace remora::proxy::net
