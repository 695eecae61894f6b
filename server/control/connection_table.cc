#include "server/control/connection_table.h"

#include <sys/socket.h>

#include <optional>

namespace remora::server {
namespace {

// nullopt where `fd` is not an open socket.
std::optional<std::uint64_t> CookieOf(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return std::nullopt;
  return cookie;
}

}  // namespace

bool ConnectionTable::Admit(int fd) {
  const std::optional<std::uint64_t> cookie = CookieOf(fd);
  if (!cookie) return false;
  if (entries_.size() >= capacity_ && CountOpen() >= capacity_) return false;
  entries_.push_back({.fd = fd, .cookie = *cookie});
  return true;
}

std::size_t ConnectionTable::CountOpen() {
  std::erase_if(entries_, [](const Entry& entry) { return CookieOf(entry.fd) != entry.cookie; });
  return entries_.size();
}

}  // namespace remora::server
