#include "proxy/net/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace remora::proxy::net {
namespace {

constexpr int kBacklog = 4096;

absl::Status CannotListen(const SocketAddress& address, int error) {
  const char* advice = error == EADDRINUSE ? "another process has it; stop that or choose another"
                       : error == EACCES ? "ports below 1024 need a privilege; choose a higher one"
                                         : "is it an address of this machine?";
  return absl::UnavailableError(absl::StrFormat("cannot listen on %s: %s (%s)", address.ToString(),
                                                std::strerror(error), advice));
}

}  // namespace

absl::StatusOr<SocketAddress> ParseListenAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::uint16_t port = 0;
  if (colon != std::string_view::npos) {
    std::string_view ip = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (ip.size() > 2 && ip.front() == '[' && ip.back() == ']') ip = ip.substr(1, ip.size() - 2);
    if (error == std::errc() && end == digits.data() + digits.size() && !digits.empty()) {
      if (const auto address = SocketAddress::FromIp(ip, port)) return *address;
    }
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "'%s' is no address to listen on; write ip:port, for example 127.0.0.1:3000, [::1]:3000 or "
      "0.0.0.0:0 (port 0 picks a free one)",
      text));
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(Loop& loop, const SocketAddress& address,
                                                         bool share_port) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return CannotListen(address, errno);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (share_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (bind(fd, address.data(), address.size()) != 0 || listen(fd, kBacklog) != 0) {
    const int error = errno;
    close(fd);
    return CannotListen(address, error);
  }
  Acceptor acceptor(loop.executor());
  error_code error;
  acceptor.assign(address.family() == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), fd,
                  error);
  if (error) {
    close(fd);
    return CannotListen(address, error.value());
  }
  return std::unique_ptr<Listener>(new Listener(loop, std::move(acceptor)));
}

SocketAddress Listener::address() const {
  error_code ignored;
  const auto endpoint = acceptor_.local_endpoint(ignored);
  return {endpoint.data(), static_cast<socklen_t>(endpoint.size())};
}

Awaitable<std::expected<Socket, error_code>> Listener::Accept() {
  Socket socket(loop_.executor());
  auto [error] = co_await acceptor_.async_accept(socket, kNoThrow);
  if (error) co_return std::unexpected(error);
  co_return std::move(socket);
}

std::optional<Socket> Listener::TryAccept() {
  const int fd = accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return std::nullopt;
  Socket socket(loop_.executor());
  error_code error;
  socket.assign(asio::generic::stream_protocol(address().family(), 0), fd, error);
  if (error) {
    close(fd);
    return std::nullopt;
  }
  return socket;
}

void Listener::Close() {
  error_code ignored;
  acceptor_.close(ignored);
}

}  // namespace remora::proxy::net
