#include "proxy/net/stream.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <cerrno>

namespace remora::proxy::net {
namespace {

error_code LastError() { return {errno, boost::system::system_category()}; }

// A bulk transfer that never waits must let others have their turn: the read after so many goes
// through the scheduler.
constexpr int kMaxDirectReads = 16;

void SetNoDelay(Socket& socket) {
  // Fails on unix sockets, where there is nothing to delay.
  const int on = 1;
  setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

bool IsLocalShortage(const error_code& error) {
  if (error.category() != boost::system::system_category()) return false;
  return error.value() == EMFILE || error.value() == ENFILE || error.value() == ENOBUFS ||
         error.value() == ENOMEM;
}

std::size_t GatherBuffers::size() const {
  std::size_t bytes = 0;
  for (std::size_t i = first_; i < count_; ++i) bytes += parts_[i].iov_len;
  return bytes;
}

void GatherBuffers::Advance(std::size_t bytes) {
  while (bytes != 0 && first_ != count_) {
    iovec& part = parts_[first_];
    if (bytes < part.iov_len) {
      part.iov_base = static_cast<char*>(part.iov_base) + bytes;
      part.iov_len -= bytes;
      return;
    }
    bytes -= part.iov_len;
    ++first_;
  }
}

Stream::Stream(Loop& loop, Socket socket)
    : loop_(loop),
      socket_(std::move(socket)),
      read_deadline_(
          [](void* self) {
            auto* stream = static_cast<Stream*>(self);
            stream->read_expired_ = true;
            error_code ignored;
            stream->socket_.cancel(ignored);
          },
          this),
      write_deadline_(
          [](void* self) {
            auto* stream = static_cast<Stream*>(self);
            stream->write_expired_ = true;
            error_code ignored;
            stream->socket_.cancel(ignored);
          },
          this) {
  if (socket_.is_open()) SetNoDelay(socket_);
}

Stream::~Stream() { Close(); }

Awaitable<std::expected<std::unique_ptr<Stream>, error_code>> Stream::Connect(
    Loop& loop, const SocketAddress& address, Duration timeout) {
  Socket socket(loop.executor());
  error_code error;
  const asio::generic::stream_protocol protocol(address.family(), 0);
  socket.open(protocol, error);
  if (error) co_return std::unexpected(error);
  auto stream = std::make_unique<Stream>(loop, std::move(socket));
  const asio::generic::stream_protocol::endpoint endpoint(address.data(), address.size(), 0);
  loop.Arm(stream->read_deadline_, timeout);
  auto [connect_error] = co_await stream->socket_.async_connect(endpoint, kNoThrow);
  stream->read_deadline_.Disarm();
  if (connect_error) co_return std::unexpected(stream->ReadEnd(connect_error));
  co_return stream;
}

Awaitable<std::expected<std::unique_ptr<Stream>, error_code>> Stream::ConnectAny(
    Loop& loop, std::shared_ptr<const std::vector<SocketAddress>> addresses, std::size_t start,
    TimePoint deadline) {
  error_code error = asio::error::host_not_found;
  const std::size_t count = addresses->size();
  for (std::size_t i = 0; i < count; ++i) {
    const Duration left = deadline - Clock::now();
    if (i != 0 && left <= Duration::zero()) break;
    auto stream = co_await Connect(loop, (*addresses)[(start + i) % count],
                                   left / static_cast<int>(count - i));
    if (stream) co_return stream;
    error = stream.error();
    if (IsLocalShortage(error)) break;
  }
  co_return std::unexpected(error);
}

Awaitable<IoResult> Stream::Read(std::span<char> into, Duration timeout) {
  if (likely_readable_ && ++direct_reads_ <= kMaxDirectReads) {
    const ssize_t bytes = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
    if (bytes > 0) {
      likely_readable_ = static_cast<std::size_t>(bytes) == into.size();
      co_return IoResult{.bytes = static_cast<std::size_t>(bytes), .error = {}};
    }
    if (bytes == 0) co_return IoResult{.bytes = 0, .error = asio::error::eof};
    likely_readable_ = false;
    if (errno != EAGAIN && errno != EINTR) co_return IoResult{.bytes = 0, .error = LastError()};
  }
  direct_reads_ = 0;
  read_expired_ = false;
  loop_.Arm(read_deadline_, timeout);
  for (;;) {
    if (interrupted_ || !socket_.is_open()) {
      read_deadline_.Disarm();
      co_return IoResult{.bytes = 0, .error = asio::error::operation_aborted};
    }
    auto [error, bytes] =
        co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), kNoThrow);
    // Both directions share one cancel: an expired write must not end the read.
    if (error == asio::error::operation_aborted && !read_expired_ && !interrupted_ &&
        socket_.is_open()) {
      continue;
    }
    read_deadline_.Disarm();
    likely_readable_ = !error && bytes == into.size();
    co_return IoResult{.bytes = bytes, .error = error ? ReadEnd(error) : error};
  }
}

Awaitable<error_code> Stream::AwaitReadable(Duration timeout) {
  read_expired_ = false;
  loop_.Arm(read_deadline_, timeout);
  for (;;) {
    if (interrupted_ || !socket_.is_open()) {
      read_deadline_.Disarm();
      co_return asio::error::operation_aborted;
    }
    auto [error] = co_await socket_.async_wait(Socket::wait_read, kNoThrow);
    if (error == asio::error::operation_aborted && !read_expired_ && !interrupted_ &&
        socket_.is_open()) {
      continue;
    }
    read_deadline_.Disarm();
    likely_readable_ = !error;
    co_return error ? ReadEnd(error) : error;
  }
}

error_code Stream::ReadEnd(const error_code& error) const {
  if (error == asio::error::operation_aborted && read_expired_) return asio::error::timed_out;
  return error;
}

error_code Stream::TryWrite(GatherBuffers& buffers) {
  while (!buffers.empty()) {
    const std::span<iovec> rest = buffers.rest();
    msghdr message{};
    message.msg_iov = rest.data();
    message.msg_iovlen = rest.size();
    const ssize_t bytes = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (bytes >= 0) {
      buffers.Advance(static_cast<std::size_t>(bytes));
    } else if (errno == EAGAIN) {
      return asio::error::would_block;
    } else if (errno != EINTR) {
      return LastError();
    }
  }
  return {};
}

Awaitable<error_code> Stream::Write(GatherBuffers& buffers, Duration timeout) {
  for (;;) {
    if (!socket_.is_open()) co_return asio::error::operation_aborted;
    const error_code tried = TryWrite(buffers);
    if (tried != asio::error::would_block) co_return tried;
    write_expired_ = false;
    loop_.Arm(write_deadline_, timeout);
    auto [error] = co_await socket_.async_wait(Socket::wait_write, kNoThrow);
    write_deadline_.Disarm();
    if (!error) continue;
    if (error != asio::error::operation_aborted) co_return error;
    if (write_expired_) co_return asio::error::timed_out;
  }
}

void Stream::InterruptRead() {
  interrupted_ = true;
  error_code ignored;
  socket_.cancel(ignored);
}

bool Stream::HasNews() {
  char byte = 0;
  const ssize_t bytes =
      ::recv(socket_.native_handle(), &byte, sizeof(byte), MSG_DONTWAIT | MSG_PEEK);
  return bytes >= 0 || (errno != EAGAIN && errno != EINTR);
}

void Stream::ShutdownSend() {
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Stream::Close() {
  read_deadline_.Disarm();
  write_deadline_.Disarm();
  error_code ignored;
  if (socket_.is_open()) socket_.close(ignored);
}

void Stream::Reset() {
  if (!socket_.is_open()) return;
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  Close();
}

SocketAddress Stream::PeerAddress() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (!socket_.is_open() ||
      getpeername(const_cast<Socket&>(socket_).native_handle(), address, &size) != 0) {
    return {};
  }
  return {address, size};
}

}  // namespace remora::proxy::net
