#include "proxy/base/socket_address.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

namespace remora::proxy {
namespace {

struct AddressCase {
  const char* ip;
  std::uint16_t port;
  int family;
  const char* text;
};

TEST(SocketAddressTest, AnIpLiteralKeepsFamilyPortAndSpelling) {
  const AddressCase cases[] = {
      {"127.0.0.1", 80, AF_INET, "127.0.0.1:80"},
      {"0.0.0.0", 0, AF_INET, "0.0.0.0:0"},
      {"255.255.255.255", 65535, AF_INET, "255.255.255.255:65535"},
      {"::1", 443, AF_INET6, "[::1]:443"},
      {"2001:db8::a:1", 1, AF_INET6, "[2001:db8::a:1]:1"},
  };
  for (const AddressCase& test : cases) {
    const auto address = SocketAddress::FromIp(test.ip, test.port);
    ASSERT_TRUE(address.has_value()) << test.ip;
    EXPECT_EQ(address->family(), test.family);
    EXPECT_EQ(address->port(), test.port);
    EXPECT_EQ(address->Ip(), test.ip);
    EXPECT_EQ(address->ToString(), test.text);
  }
}

TEST(SocketAddressTest, LoopbackIsWhatNeverLeavesTheMachine) {
  for (const char* ip : {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(SocketAddress::FromIp(ip, 80)->IsLoopback()) << ip;
  }
  for (const char* ip : {"0.0.0.0", "126.0.0.1", "128.0.0.1", "10.0.0.127", "::", "::2",
                         "::ffff:10.0.0.1", "7f00::1", "fe80::1"}) {
    EXPECT_FALSE(SocketAddress::FromIp(ip, 80)->IsLoopback()) << ip;
  }
  EXPECT_FALSE(SocketAddress::FromUnixPath("/127.0.0.1")->IsLoopback());
  EXPECT_FALSE(SocketAddress().IsLoopback());
}

// Spellings that some resolvers take for addresses: they would name other hosts than they show.
TEST(SocketAddressTest, WhatIsNoIpLiteralIsRefused) {
  for (const char* text : {"", "localhost", "127.1", "0x7f.1", "2130706433", "127.0.0.1.", "1.2.3",
                           "1.2.3.4.5", "256.0.0.1", "[::1]", ":::", "fe80::1%lo", " 127.0.0.1"}) {
    EXPECT_FALSE(SocketAddress::FromIp(text, 80).has_value()) << text;
  }
  EXPECT_FALSE(SocketAddress::FromIp("0177.0.0.1", 80).has_value());
}

TEST(SocketAddressTest, ANulEndsNoAddressEarly) {
  EXPECT_FALSE(SocketAddress::FromIp(std::string_view("127.0.0.1\0.evil", 15), 80).has_value());
}

TEST(SocketAddressTest, AUnixPathMayHave107BytesAndNoMore) {
  const std::string longest = "/" + std::string(106, 'a');
  const auto address = SocketAddress::FromUnixPath(longest);
  ASSERT_TRUE(address.has_value());
  EXPECT_EQ(address->ToString(), "unix:" + longest);
  EXPECT_EQ(address->family(), AF_UNIX);
  EXPECT_EQ(address->port(), 0);
  EXPECT_FALSE(SocketAddress::FromUnixPath(longest + "a").has_value());
  EXPECT_FALSE(SocketAddress::FromUnixPath("").has_value());
}

TEST(SocketAddressTest, EqualityLooksAtFamilyAddressAndPort) {
  const auto a = SocketAddress::FromIp("127.0.0.1", 80);
  EXPECT_EQ(a, SocketAddress::FromIp("127.0.0.1", 80));
  EXPECT_NE(a, SocketAddress::FromIp("127.0.0.1", 81));
  EXPECT_NE(a, SocketAddress::FromIp("127.0.0.2", 80));
  EXPECT_NE(a, SocketAddress::FromIp("::ffff:127.0.0.1", 80));
  EXPECT_NE(SocketAddress::FromUnixPath("/a"), SocketAddress::FromUnixPath("/b"));
}

TEST(SocketAddressTest, TheKernelTakesItAndGivesTheSameBack) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_GE(fd, 0);
  const auto any = SocketAddress::FromIp("127.0.0.1", 0);
  ASSERT_EQ(::bind(fd, any->data(), any->size()), 0);
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size), 0);
  const SocketAddress bound(reinterpret_cast<const sockaddr*>(&storage), size);
  ::close(fd);
  EXPECT_NE(bound.port(), 0);
  EXPECT_EQ(bound, SocketAddress::FromIp("127.0.0.1", bound.port()));
}

TEST(SocketAddressTest, ASizeThatIsTooLargeIsCut) {
  sockaddr_storage storage{};
  storage.ss_family = AF_INET;
  const SocketAddress address(reinterpret_cast<const sockaddr*>(&storage), sizeof(storage));
  EXPECT_LT(address.size(), sizeof(storage));
}

// accept(2) of a client that has no name of its own reports the family only.
TEST(SocketAddressTest, AnUnnamedUnixPeerHasAnEmptyPath) {
  sockaddr_un unnamed{};
  unnamed.sun_family = AF_UNIX;
  const SocketAddress address(reinterpret_cast<const sockaddr*>(&unnamed),
                              sizeof(unnamed.sun_family));
  EXPECT_EQ(address.ToString(), "unix:");
}

TEST(SocketAddressTest, AnIPv4PeerOfAnIPv6ListenerIsShownAsIPv4) {
  const auto address = SocketAddress::FromIp("::ffff:10.0.0.1", 9);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->Ip(), "10.0.0.1");
  EXPECT_EQ(address->ToString(), "10.0.0.1:9");
}

}  // namespace
}  // namespace remora::proxy
