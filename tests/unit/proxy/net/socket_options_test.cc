#include "proxy/net/socket_options.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <exception>
#include <filesystem>
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

bool HasIpv6() {
  const SocketAddress address = *SocketAddress::FromIp("::1", 0);
  const UniqueFd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return socket && bind(socket.get(), address.data(), address.size()) == 0;
}

bool SendsAtOnce(int socket) {
  int on = 0;
  socklen_t size = sizeof(on);
  EXPECT_EQ(getsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
  return on != 0;
}

// The descriptor of this process that is connected to `address`; -1: there is none.
int ConnectedTo(const SocketAddress& address) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    auto* peer = reinterpret_cast<sockaddr*>(&storage);
    if (getpeername(fd, peer, &size) == 0 && SocketAddress(peer, size) == address) return fd;
  }
  return -1;
}

// Both ends of a connection to a listener at `ip`, which is asked for as `target`.
struct Connection {
  Loop loop;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> stream;
  std::optional<Accepted> accepted;
  int connecting = -1;
};

void Connect(const char* ip, const char* target, Connection& made) {
  auto opened = Listener::Open(made.loop, *SocketAddress::FromIp(ip, 0), /*share_port=*/false);
  ASSERT_TRUE(opened.ok()) << opened.status();
  made.listener = *std::move(opened);
  const SocketAddress address = *SocketAddress::FromIp(target, made.listener->address().port());
  Spawn(made.loop, Stream::Connect(made.loop, address, kPatience),
        [&](const std::exception_ptr&, auto result) {
          EXPECT_TRUE(result.has_value());
          if (result) made.stream = *std::move(result);
        });
  const TimePoint give_up = Clock::now() + kPatience;
  while ((!made.stream || !made.accepted) && Clock::now() < give_up) {
    made.loop.Turn(std::chrono::milliseconds(10));
    if (!made.accepted) made.accepted = made.listener->TryAccept();
  }
  ASSERT_TRUE(made.stream && made.accepted);
  made.connecting = ConnectedTo(address);
  ASSERT_GE(made.connecting, 0);
}

UniqueFd TcpSocket() { return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

TEST(SocketOptionsTest, ASocketThatDoesNotPaceUsesReno) {
  const UniqueFd socket = TcpSocket();
  DontPace(socket.get());
  EXPECT_EQ(CongestionControlOf(socket.get()), "reno");
}

TEST(SocketOptionsTest, NeitherEndOfAConnectionOverLoopbackPacesOrWaits) {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(ip);
    if (ip == std::string_view("::1") && !HasIpv6()) continue;
    Connection made;
    ASSERT_NO_FATAL_FAILURE(Connect(ip, ip, made));
    for (const int socket : {made.accepted->socket.get(), made.connecting}) {
      EXPECT_EQ(CongestionControlOf(socket), "reno");
      EXPECT_TRUE(SendsAtOnce(socket));
    }
  }
}

TEST(SocketOptionsTest, WhatAListenerForAllAddressesAcceptsKeepsTheHostsDefault) {
  Connection made;
  ASSERT_NO_FATAL_FAILURE(Connect("0.0.0.0", "127.0.0.1", made));
  EXPECT_EQ(CongestionControlOf(made.accepted->socket.get()),
            CongestionControlOf(TcpSocket().get()));
  EXPECT_EQ(CongestionControlOf(made.connecting), "reno");
  EXPECT_TRUE(SendsAtOnce(made.accepted->socket.get()));
}

}  // namespace
}  // namespace remora::proxy::net
