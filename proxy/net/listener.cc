#include "proxy/net/listener.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proxy/net/socket_options.h"

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
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return CannotListen(address, errno);
  const int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // What is accepted inherits them. One that paces by then goes on pacing, whatever it is told: so
  // those of a listener for all addresses stay as they are.
  SendAtOnce(socket.get());
  if (address.IsLoopback()) DontPace(socket.get());
  if (share_port) setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (bind(socket.get(), address.data(), address.size()) != 0 ||
      listen(socket.get(), kBacklog) != 0) {
    return CannotListen(address, errno);
  }
  auto listener = std::unique_ptr<Listener>(new Listener(loop, std::move(socket)));
  // Not edge-triggered: a connection is accepted a turn, without a call that finds nothing.
  if (const auto error = loop.Watch(listener->socket_.get(), *listener, EPOLLIN)) {
    return CannotListen(address, error.value());
  }
  return listener;
}

SocketAddress Listener::address() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (getsockname(socket_.get(), address, &size) != 0) return {};
  return {address, size};
}

void Listener::OnEvents(std::uint32_t /*events*/) {
  if (waiter_ != nullptr) {
    loop_.Schedule(*waiter_);
  } else if (!muted_) {
    muted_ = true;
    loop_.ChangeWatch(socket_.get(), *this, 0);
  }
}

void Listener::Wait::await_suspend(std::coroutine_handle<> coroutine) {
  coroutine_ = coroutine;
  listener_.waiter_ = this;
  if (std::exchange(listener_.muted_, false)) {
    listener_.loop_.ChangeWatch(listener_.socket_.get(), listener_, EPOLLIN);
  }
}

Awaitable<std::expected<Accepted, error_code>> Listener::Accept() {
  for (;;) {
    if (socket_) co_await Wait(*this);
    if (!socket_) co_return std::unexpected(asio::error::operation_aborted);
    if (auto accepted = TryAccept()) co_return *std::move(accepted);
    if (errno == EAGAIN || errno == EINTR) continue;
    co_return std::unexpected(LastError());
  }
}

std::optional<Accepted> Listener::TryAccept() {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  UniqueFd socket(accept4(socket_.get(), address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket) return std::nullopt;
  return Accepted{.socket = std::move(socket), .peer = {address, size}};
}

void Listener::Close() {
  socket_.Reset();
  if (waiter_ != nullptr) loop_.Schedule(*waiter_);
}

}  // namespace remora::proxy::net
