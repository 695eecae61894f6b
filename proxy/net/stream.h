// A connected stream socket (TCP or unix; TLS later inside the same type): one concrete class, so
// that everything above is compiled once.
//
// It knows from the loop whether there is something to read, so that no system call asks in vain: a
// read that got less than it asked for has drained the socket until the next event. Writes are
// tried at once. Deadlines come from the loop's coarse timers (100 ms), there is no timer per
// operation. At most one read and one write are in flight, which may be of different coroutines.
// Threads: the loop's. Lifetime: not movable (loop and timers point to it); outlives its
// operations, which end with operation_aborted once Close has been called.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/socket_address.h"
#include "proxy/base/unique_fd.h"
#include "proxy/net/awaitable.h"
#include "proxy/net/error.h"
#include "proxy/net/loop.h"
#include "proxy/net/pipe.h"
#include "proxy/net/runnable.h"
#include "proxy/net/slab_pool.h"
#include "proxy/net/timer_wheel.h"

namespace remora::proxy::net {

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
    size_ += piece.size();
  }
  bool empty() const { return first_ == count_; }
  // Bytes that are still to be sent.
  std::size_t size() const { return size_; }
  std::span<iovec> rest() { return std::span(parts_).subspan(first_, count_ - first_); }
  // Drops what has been sent.
  void Advance(std::size_t bytes);
  void Clear() { first_ = count_ = size_ = 0; }

 private:
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t size_ = 0;
  std::array<iovec, 6> parts_;
};

// The process, not the peer, is short of something: descriptors, memory. Not EADDRNOTAVAIL: there
// is no port left for this one destination, or this host has no address of its family.
bool IsLocalShortage(const error_code& error);

class Stream final : public SlabObject, private IoSource {
 public:
  // Without a connection where the loop can't watch `socket`. Nagle's delay is the caller's to
  // switch off.
  Stream(Loop& loop, UniqueFd socket);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  static std::unique_ptr<Stream> Make(Loop& loop, UniqueFd socket) {
    return std::unique_ptr<Stream>(new (loop.slabs()) Stream(loop, std::move(socket)));
  }

  static Awaitable<std::expected<std::unique_ptr<Stream>, error_code>> Connect(
      Loop& loop, const SocketAddress& address, Duration timeout);

  // The first of `addresses` that takes a connection, beginning with number `start` (modulo their
  // number); each has its share of the time that is left. Without addresses: host_not_found.
  static Awaitable<std::expected<std::unique_ptr<Stream>, error_code>> ConnectAny(
      Loop& loop, std::shared_ptr<const std::vector<SocketAddress>> addresses, std::size_t start,
      TimePoint deadline);

  // Reads at least one byte.
  Awaitable<IoResult> Read(std::span<char> into, Duration timeout);

  // To be awaited: an error_code once Read would not block; no buffer is held meanwhile.
  class ReadableWait;
  ReadableWait AwaitReadable(Duration timeout);
  // A read would not block, as far as is known.
  bool readable() const { return readable_; }
  // Reads what is there; nothing: it would block.
  std::optional<IoResult> TryRead(std::span<char> into);

  // Sends what the socket takes now and advances `buffers`; would_block if something is left.
  error_code TryWrite(GatherBuffers& buffers);
  // Sends all; `timeout` is the longest time without progress.
  Awaitable<error_code> Write(GatherBuffers& buffers, Duration timeout);

  // As TryRead and Write, for bytes that stay in the kernel. `pipe` is empty before the first, and
  // after the second unless that failed.
  std::optional<IoResult> TryReadInto(Pipe& pipe, std::size_t most);
  Awaitable<error_code> WriteFrom(Pipe& pipe, Duration timeout);

  // Schedules `runnable` once there is something to read, or the peer or Close has ended the
  // connection; for a wait without coroutine or deadline.
  void OnReadable(Runnable& runnable);

  // A pending read ends with operation_aborted, without closing. Sticky until ResumeReads.
  void InterruptRead();
  void ResumeReads() { interrupted_ = false; }

  // True if a connection that should be silent has bytes to read, was closed or is broken.
  bool HasNews() const;
  // The same as far as the loop knew when the turn began: without a system call.
  bool HadNews() const { return readable_ && HasNews(); }

  void ShutdownSend();
  void Close();
  // Close so that the peer sees a reset: it must not take what it got for a whole message.
  void Reset();
  bool is_open() const { return static_cast<bool>(socket_); }

  SocketAddress PeerAddress() const;

 private:
  // Waits until it may be written: resumed by the loop's events, the deadline and Close.
  class [[nodiscard]] WritableWait final : public Waiter {
   public:
    explicit WritableWait(Runnable*& slot) : slot_(slot) {}
    ~WritableWait() {
      if (slot_ == this) slot_ = nullptr;
    }
    WritableWait(const WritableWait&) = delete;
    WritableWait& operator=(const WritableWait&) = delete;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) noexcept {
      coroutine_ = coroutine;
      slot_ = this;
    }
    void await_resume() const noexcept {}

   private:
    Runnable*& slot_;
  };

  // Of one direction. Its entry in the loop's timers stays where it is while the deadline only
  // moves away, and looks again when it fires: a busy connection arms it once a second, not twice a
  // request.
  struct Deadline {
    Deadline(TimerWheel::Entry::OnExpiry on_expiry, void* stream) : entry(on_expiry, stream) {}
    TimePoint due;
    TimePoint armed_for;
    TimerWheel::Entry entry;
  };

  void OnEvents(std::uint32_t events) override;
  void WakeUp(Runnable*& slot);
  bool MustYield();
  void BeginWait(ReadableWait& wait, std::coroutine_handle<> coroutine);
  void SetDeadline(Deadline& deadline, Duration timeout);
  void OnDeadline(Deadline& deadline, Runnable*& slot, bool& expired);
  ssize_t Send(GatherBuffers& buffers);
  error_code TryWriteFrom(Pipe& pipe);
  Awaitable<error_code> AwaitWritable(Duration timeout);
  // Why a read must not go on; none: it may.
  error_code ReadEnd() const;
  void WatchWritable();
  error_code ConnectError() const;

  Loop& loop_;
  UniqueFd socket_;
  bool readable_ = true;   // a read would not block, as far as is known
  bool writable_ = false;  // since the last write that did not take all
  bool ended_ = false;     // the peer sends no more, or the connection is broken
  bool watches_writable_ = false;
  bool read_expired_ = false;
  bool write_expired_ = false;
  bool interrupted_ = false;
  int direct_reads_ = 0;  // in a row, without a turn of the loop between
  Runnable* reader_ = nullptr;
  Runnable* writer_ = nullptr;
  Deadline read_deadline_;
  Deadline write_deadline_;
};

static_assert(sizeof(Stream) <= SlabPool::kMaxSize);

// Whatever resumes it has ended the wait: an event, the deadline, InterruptRead or Close.
class [[nodiscard]] Stream::ReadableWait final : public Waiter {
 public:
  ReadableWait(Stream& stream, Duration timeout) : stream_(stream), timeout_(timeout) {}
  ~ReadableWait() {
    if (stream_.reader_ == this) stream_.reader_ = nullptr;
  }
  ReadableWait(const ReadableWait&) = delete;
  ReadableWait& operator=(const ReadableWait&) = delete;

  bool await_ready() {
    stream_.read_expired_ = false;
    if (stream_.ReadEnd()) return true;
    yields_ = stream_.readable_ && stream_.MustYield();
    return stream_.readable_ && !yields_;
  }
  void await_suspend(std::coroutine_handle<> coroutine) { stream_.BeginWait(*this, coroutine); }
  error_code await_resume() const { return stream_.ReadEnd(); }

 private:
  friend class Stream;
  Stream& stream_;
  const Duration timeout_;
  bool yields_ = false;
};

inline Stream::ReadableWait Stream::AwaitReadable(Duration timeout) { return {*this, timeout}; }

}  // namespace remora::proxy::net
