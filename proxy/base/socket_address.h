// A resolved socket address (IPv4, IPv6 or unix), without Asio, so that the registry can hold it.
// A value; pure.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace remora::proxy {

class SocketAddress {
 public:
  SocketAddress() = default;
  // `size` is cut to what fits.
  SocketAddress(const sockaddr* address, socklen_t size);

  // "1.2.3.4" or "::1" with a port; nullopt where `ip` is a name.
  static std::optional<SocketAddress> FromIp(std::string_view ip, std::uint16_t port);
  // `path` is at most 107 bytes; nullopt otherwise.
  static std::optional<SocketAddress> FromUnixPath(std::string_view path);

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  int family() const { return data()->sa_family; }
  std::uint16_t port() const;
  // 127.0.0.0/8, also as ::ffff:127.0.0.0/104, or ::1.
  bool IsLoopback() const;
  // "1.2.3.4", "::1" or "unix:/path"; what X-Forwarded-For and logs show.
  std::string Ip() const;
  // "1.2.3.4:80", "[::1]:80" or "unix:/path".
  std::string ToString() const;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) {
    return std::string_view(reinterpret_cast<const char*>(&a.storage_), a.size_) ==
           std::string_view(reinterpret_cast<const char*>(&b.storage_), b.size_);
  }

 private:
  union Storage {
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un unix_path;
  };
  Storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace remora::proxy
