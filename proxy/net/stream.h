// A connected stream socket (TCP or unix; TLS later inside the same type): one concrete class, so
// that everything above is compiled once.
//
// Reads and writes try the system call first where it is likely to succeed and suspend only when it
// would block; deadlines come from the loop's coarse timers (100 ms), there is no timer per
// operation. At most one read and one write are in flight, which may be of different coroutines.
// Threads: the loop's. Lifetime: not movable (timers point into it); outlives its operations, which
// end with operation_aborted once Close has been called.
#pragma once

#include <sys/uio.h>

#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/socket_address.h"
#include "proxy/net/executor.h"
#include "proxy/net/loop.h"
#include "proxy/net/timer_wheel.h"

namespace remora::proxy::net {

using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

struct IoResult {
  std::size_t bytes = 0;
  error_code error;  // eof at the end of the stream, timed_out past the deadline
};

// Up to six pieces of memory that go out in order, usually in one system call.
class GatherBuffers {
 public:
  void Add(std::string_view piece) {
    if (piece.empty()) return;
    parts_[count_++] = {const_cast<char*>(piece.data()), piece.size()};
  }
  bool empty() const { return first_ == count_; }
  // Bytes that are still to be sent.
  std::size_t size() const;
  std::span<iovec> rest() { return std::span(parts_).subspan(first_, count_ - first_); }
  // Drops what has been sent.
  void Advance(std::size_t bytes);

 private:
  std::array<iovec, 6> parts_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

// The process, not the peer, is short of something: descriptors, memory. Not EADDRNOTAVAIL: there
// is no port left for this one destination, or this host has no address of its family.
bool IsLocalShortage(const error_code& error);

class Stream {
 public:
  Stream(Loop& loop, Socket socket);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  static Awaitable<std::expected<std::unique_ptr<Stream>, error_code>> Connect(
      Loop& loop, const SocketAddress& address, Duration timeout);

  // The first of `addresses` that takes a connection, beginning with number `start` (modulo their
  // number); each has its share of the time that is left. Without addresses: host_not_found.
  static Awaitable<std::expected<std::unique_ptr<Stream>, error_code>> ConnectAny(
      Loop& loop, std::shared_ptr<const std::vector<SocketAddress>> addresses, std::size_t start,
      TimePoint deadline);

  // Reads at least one byte.
  Awaitable<IoResult> Read(std::span<char> into, Duration timeout);

  // Completes once Read would not block; for long waits, as no buffer is held meanwhile.
  Awaitable<error_code> AwaitReadable(Duration timeout);

  // Sends what the socket takes now and advances `buffers`; would_block if something is left.
  error_code TryWrite(GatherBuffers& buffers);
  // Sends all; `timeout` is the longest time without progress.
  Awaitable<error_code> Write(GatherBuffers& buffers, Duration timeout);

  // `handler(error_code)` runs once there is something to read (or the peer has closed). Holds
  // neither buffer nor coroutine meanwhile: 432 B a connection instead of 1,150 B and a buffer.
  template <class Handler>
  void WaitReadable(Handler&& handler) {
    socket_.async_wait(Socket::wait_read, std::forward<Handler>(handler));
  }

  // A pending read ends with operation_aborted, without closing. Sticky until ResumeReads.
  void InterruptRead();
  void ResumeReads() { interrupted_ = false; }

  // True if a connection that should be silent has bytes to read, was closed or is broken.
  bool HasNews();

  void ShutdownSend();
  void Close();
  // Close so that the peer sees a reset: it must not take what it got for a whole message.
  void Reset();
  bool is_open() const { return socket_.is_open(); }

  SocketAddress PeerAddress() const;

 private:
  error_code ReadEnd(const error_code& error) const;

  Loop& loop_;
  Socket socket_;
  TimerWheel::Entry read_deadline_;
  TimerWheel::Entry write_deadline_;
  bool read_expired_ = false;
  bool write_expired_ = false;
  bool interrupted_ = false;
  // The last read filled its buffer: there is probably more.
  bool likely_readable_ = false;
  // Reads in a row that did not go through the scheduler.
  int direct_reads_ = 0;
};

}  // namespace remora::proxy::net
