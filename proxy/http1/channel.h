// One side of an HTTP/1 connection: reads heads and bodies from a net::Stream and writes them, for
// the client's side and the backend's alike. All I/O is here, all rules are in message/.
//
// Threads: the loop's. At most one read and one write at a time, which may run in different
// coroutines. Lifetime: heads and body pieces that were read point into the channel's buffers; a
// head stays valid until FinishMessage, a piece until the next read of the body.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/error.h"
#include "proxy/message/body.h"
#include "proxy/message/head.h"
#include "proxy/message/head_parser.h"
#include "proxy/net/buffer_pool.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"

namespace remora::proxy::http1 {

class Channel {
 public:
  // `side`: whom the stream leads to; decides what a failure is called.
  Channel(net::Loop& loop, std::unique_ptr<net::Stream> stream, Side side);

  net::Loop& loop() { return loop_; }
  net::Stream& stream() { return *stream_; }
  // Leaves the channel without a stream; only while no message is in it.
  std::unique_ptr<net::Stream> TakeStream() { return std::move(stream_); }

  // ---- between messages ----
  // Bytes of the next message are there already (pipelining).
  bool HasBytes() const { return begin_ != end_; }
  // The first bytes of the next message are there. An empty line begins none: some clients send one
  // behind a body (RFC 9112 section 2.2).
  bool HasMessage() const { return HasBytes() && !holds_cr_; }
  // To be awaited while there are none; TakeBytes reads what has come. eof and timed_out are what
  // they say.
  net::Stream::ReadableWait AwaitBytes(Duration timeout) { return stream_->AwaitReadable(timeout); }
  net::error_code TakeBytes(net::error_code waited);
  // The message is over: its buffers go back, bytes behind it are kept.
  void FinishMessage();

  // ---- heads ----
  // Before the first TryReadHead of each head.
  void BeginHead() { scanner_.Reset(empty_line_passed_); }
  // The head, if all of it is there. Nothing: it goes on after AwaitHead and TakeHeadBytes.
  std::optional<Result<void>> TryReadHead(const message::HeadLimits& limits,
                                          message::RequestHead& head);
  std::optional<Result<void>> TryReadHead(const message::HeadLimits& limits,
                                          message::ResponseHead& head);
  // To be awaited.
  net::Stream::ReadableWait AwaitHead(TimePoint deadline) {
    return stream_->AwaitReadable(deadline - loop_.now());
  }
  // An error: the head will not come.
  Result<void> TakeHeadBytes(net::error_code waited, const message::HeadLimits& limits,
                             TimePoint deadline);
  // All of that in one coroutine; BeginHead comes before it.
  net::Awaitable<Result<void>> ReadHead(message::HeadLimits limits, TimePoint deadline,
                                        message::RequestHead& head);
  net::Awaitable<Result<void>> ReadHead(message::HeadLimits limits, TimePoint deadline,
                                        message::ResponseHead& head);

  // ---- body, reading ----
  void StartReadingBody(message::Framing framing, std::uint64_t length,
                        const message::BodyLimits& limits);
  // What is there already, without waiting; may be empty.
  Result<message::BodyPiece> BufferedBody();
  // What BufferedBody gave is not needed any more.
  void ForgetBody();
  // The next piece, not empty unless it is the end. `timeout`: longest time without progress.
  net::Awaitable<Result<message::BodyPiece>> ReadBody(Duration timeout);
  bool body_ended() const { return decoder_.ended(); }
  // A byte has been read since FinishMessage.
  bool got_bytes() const { return got_bytes_; }

  // ---- writing ----
  // The framing that WriteBody puts around its pieces.
  void StartWritingBody(message::Framing framing) { write_framing_ = framing; }
  // `head` (complete lines, may be empty) and `piece`, usually in one system call.
  net::Awaitable<Result<void>> Write(std::string_view head, message::BodyPiece piece,
                                     Duration timeout);
  // The same without a coroutine for what the socket takes at once. Nothing: WriteRest sends what
  // is left; `head` and `piece` stay until then.
  std::optional<Result<void>> TryWrite(std::string_view head, const message::BodyPiece& piece);
  net::Awaitable<Result<void>> WriteRest(Duration timeout);

 private:
  template <class Head>
  std::optional<Result<void>> ParseHead(const message::HeadLimits& limits, Head& head);
  template <class Head>
  net::Awaitable<Result<void>> ReadWholeHead(message::HeadLimits limits, TimePoint deadline,
                                             Head& head);
  void PassEmptyLine();
  void MakeRoom(std::size_t head_bytes);
  net::error_code FillNow();
  net::Awaitable<net::error_code> FillBody(Duration timeout);
  bool MaySplice() const;
  std::size_t BodyBufferSize() const;
  std::string_view MoreOfBody();
  Result<message::BodyPiece> DecodeBuffered();
  void AddChunk(const message::BodyPiece& piece, net::GatherBuffers& pieces);
  std::unexpected<ProxyError> ReadFailed(const net::error_code& error, Limit time) const;
  std::unexpected<ProxyError> WriteFailed(const net::error_code& error, bool nothing_sent) const;
  std::span<char> buffered() { return {buffer_->data() + begin_, end_ - begin_}; }

  net::Loop& loop_;
  std::unique_ptr<net::Stream> stream_;
  const Side side_;

  // Unread bytes are [begin_, end_) of *buffer_. The head stays in head_buffer_ while the body,
  // once it goes on behind what came with the head, is read into body_buffer_.
  net::Lease head_buffer_;
  net::Lease body_buffer_;
  net::Lease* buffer_ = &head_buffer_;
  net::error_code read_error_;  // of a read whose bytes nobody waited for
  // Of a long body; what is in it has been read and not yet been given away.
  net::PipePool::Lease pipe_;
  bool pipe_full_ = false;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool got_bytes_ = false;
  bool empty_line_passed_ = false;  // before the next message
  bool holds_cr_ = false;           // which may begin an empty line; nothing else is there

  message::HeadScanner scanner_;
  message::BodyDecoder decoder_;
  message::Framing read_framing_ = message::Framing::kNone;
  message::Framing write_framing_ = message::Framing::kNone;

  std::array<char, 20> size_line_;  // of the chunk that is being written
  net::GatherBuffers rest_;         // what TryWrite has left for WriteRest
};

}  // namespace remora::proxy::http1
