#include "proxy/net/socket_options.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/base/unique_fd.h"
#include "proxy/net/listener.h"
#include "proxy/net/loop.h"
#include "proxy/net/spawn.h"
#include "proxy/net/stream.h"

namespace remora::proxy::net {
namespace {

constexpr std::chrono::seconds kPatience{60};

std::string CongestionControlOf(int socket) {
  std::array<char, 16> name{};
  socklen_t size = name.size();
  EXPECT_EQ(getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size), 0);
  return name.data();
}

bool SendsAtOnce(int socket) {
  int on = 0;
  socklen_t size = sizeof(on);
  EXPECT_EQ(getsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
  return on != 0;
}

// The descriptor of this process that is connected to `address`; -1: there is none.
int ConnectedTo(const SocketAddress& address) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  for (int fd = 0; fd < static_cast<int>(limit.rlim_cur); ++fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    auto* peer = reinterpret_cast<sockaddr*>(&storage);
    if (getpeername(fd, peer, &size) == 0 && SocketAddress(peer, size) == address) return fd;
  }
  return -1;
}

// Both ends of a connection to a listener at `ip`, which is asked for as `target`.
class Connection {
 public:
  Connection(const char* ip, const char* target) {
    auto opened = Listener::Open(loop_, *SocketAddress::FromIp(ip, 0), /*share_port=*/false);
    EXPECT_TRUE(opened.ok()) << opened.status();
    listener_ = *std::move(opened);
    const SocketAddress address = *SocketAddress::FromIp(target, listener_->address().port());
    Spawn(loop_, Stream::Connect(loop_, address, kPatience),
          [&](const std::exception_ptr&, auto result) {
            EXPECT_TRUE(result.has_value()) << result.error().message();
            if (result) stream_ = *std::move(result);
          });
    const TimePoint give_up = Clock::now() + kPatience;
    while ((!stream_ || !accepted_) && Clock::now() < give_up) {
      loop_.Turn(std::chrono::milliseconds(10));
      if (!accepted_) accepted_ = listener_->TryAccept();
    }
    EXPECT_TRUE(stream_ && accepted_);
    connecting_ = ConnectedTo(address);
    EXPECT_GE(connecting_, 0);
  }

  int accepted() const { return accepted_->socket.get(); }
  int connecting() const { return connecting_; }

 private:
  Loop loop_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Stream> stream_;
  std::optional<Accepted> accepted_;
  int connecting_ = -1;
};

TEST(SocketOptionsTest, ASocketThatDoesNotPaceUsesReno) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  DontPace(socket.get());
  EXPECT_EQ(CongestionControlOf(socket.get()), "reno");
}

TEST(SocketOptionsTest, AUnixSocketIsLeftAsItIs) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SendAtOnce(socket.get());
  DontPace(socket.get());
}

TEST(SocketOptionsTest, NeitherEndOfAConnectionWithinTheMachinePacesOrWaits) {
  struct Case {
    const char* listens;
    const char* target;
  };
  for (const auto& [listens, target] :
       {Case{"127.0.0.1", "127.0.0.1"}, Case{"0.0.0.0", "127.0.0.1"}, Case{"::1", "::1"},
        Case{"::", "127.0.0.1"}}) {
    SCOPED_TRACE(std::string(listens) + " as " + target);
    const Connection connection(listens, target);
    EXPECT_EQ(CongestionControlOf(connection.accepted()), "reno");
    EXPECT_EQ(CongestionControlOf(connection.connecting()), "reno");
    EXPECT_TRUE(SendsAtOnce(connection.accepted()));
    EXPECT_TRUE(SendsAtOnce(connection.connecting()));
  }
}

}  // namespace
}  // namespace remora::proxy::net
