#include "proxy/base/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace remora::proxy {

SocketAddress::SocketAddress(const sockaddr* address, socklen_t size)
    : size_(std::min<socklen_t>(size, sizeof(storage_))) {
  std::memcpy(&storage_, address, size_);
}

std::optional<SocketAddress> SocketAddress::FromIp(std::string_view ip, std::uint16_t port) {
  if (ip.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string text(ip);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    return SocketAddress(reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    return SocketAddress(reinterpret_cast<const sockaddr*>(&v6), sizeof(v6));
  }
  return std::nullopt;
}

std::optional<SocketAddress> SocketAddress::FromUnixPath(std::string_view path) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return std::nullopt;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return SocketAddress(reinterpret_cast<const sockaddr*>(&address),
                       static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1));
}

std::uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(storage_.v4.sin_port);
  if (family() == AF_INET6) return ntohs(storage_.v6.sin6_port);
  return 0;
}

bool SocketAddress::IsLoopback() const {
  constexpr std::uint8_t kNet = 127;
  if (family() == AF_INET) return ntohl(storage_.v4.sin_addr.s_addr) >> 24 == kNet;
  if (family() != AF_INET6) return false;
  const in6_addr& v6 = storage_.v6.sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == kNet);
}

std::string SocketAddress::Ip() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof(text));
  if (family() == AF_INET6) {
    const in6_addr& v6 = storage_.v6.sin6_addr;
    // An IPv4 peer of an IPv6 listener is shown as what it is.
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      inet_ntop(AF_INET, &v6.s6_addr[12], text, sizeof(text));
    } else {
      inet_ntop(AF_INET6, &v6, text, sizeof(text));
    }
  }
  if (family() == AF_UNIX) return std::string("unix:") + storage_.unix_path.sun_path;
  return text;
}

std::string SocketAddress::ToString() const {
  if (family() == AF_UNIX) return Ip();
  const std::string ip = Ip();
  const bool brackets = ip.find(':') != std::string::npos;
  return (brackets ? "[" + ip + "]" : ip) + ":" + std::to_string(port());
}

}  // namespace remora::proxy
