#include "proxy/http1/channel.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <utility>

namespace remora::proxy::http1 {

namespace {

// While so much is left of a body: see MaySplice.
constexpr std::uint64_t kSpliceFrom = 512 * 1024;
// What the loop's timers round up by.
constexpr Duration kDeadlineSlack = 2 * net::TimerWheel::kTick;

auto Parse(message::HeadScanner& scanner, std::string_view bytes, const message::HeadLimits& limits,
           message::RequestHead& head) {
  return message::ParseRequestHead(scanner, bytes, limits, head);
}
auto Parse(message::HeadScanner& scanner, std::string_view bytes, const message::HeadLimits& limits,
           message::ResponseHead& head) {
  return message::ParseResponseHead(scanner, bytes, limits, head);
}

}  // namespace

namespace asio = net::asio;
using message::BodyPiece;
using message::Framing;
using net::Awaitable;
using net::BufferPool;
using net::error_code;
using net::Pipe;

Channel::Channel(net::Loop& loop, std::unique_ptr<net::Stream> stream, Side side)
    : loop_(loop), stream_(std::move(stream)), side_(side) {}

void Channel::PassEmptyLine() {
  constexpr std::string_view kEmptyLine = "\r\n";
  const std::string_view bytes(buffered().data(), buffered().size());
  holds_cr_ = false;
  if (bytes.empty() || !kEmptyLine.starts_with(bytes) || empty_line_passed_) return;
  empty_line_passed_ = bytes == kEmptyLine;
  holds_cr_ = !empty_line_passed_;
  // What is left of it goes to the front: there must be room behind it.
  head_buffer_.data()[0] = '\r';
  begin_ = 0;
  end_ = holds_cr_ ? 1 : 0;
}

error_code Channel::TakeBytes(error_code waited) {
  error_code error = waited;
  if (!error) {
    if (!head_buffer_) head_buffer_ = loop_.buffers().Take(BufferPool::kSmall);
    error = FillNow();
    PassEmptyLine();
  }
  if (!HasBytes()) head_buffer_.Reset();
  return error;
}

void Channel::FinishMessage() {
  if (buffer_ == &body_buffer_) {
    if (HasBytes()) head_buffer_ = std::move(body_buffer_);
    buffer_ = &head_buffer_;
  }
  body_buffer_.Reset();
  pipe_.Reset();
  read_error_ = {};
  empty_line_passed_ = false;
  if (HasBytes()) PassEmptyLine();
  if (!HasBytes()) {
    begin_ = end_ = 0;
    head_buffer_.Reset();
  }
  got_bytes_ = HasBytes();
}

std::optional<Result<void>> Channel::TryReadHead(const message::HeadLimits& limits,
                                                 message::RequestHead& head) {
  return ParseHead(limits, head);
}

std::optional<Result<void>> Channel::TryReadHead(const message::HeadLimits& limits,
                                                 message::ResponseHead& head) {
  return ParseHead(limits, head);
}

Awaitable<Result<void>> Channel::ReadHead(message::HeadLimits limits, TimePoint deadline,
                                          message::RequestHead& head) {
  return ReadWholeHead(limits, deadline, head);
}

Awaitable<Result<void>> Channel::ReadHead(message::HeadLimits limits, TimePoint deadline,
                                          message::ResponseHead& head) {
  return ReadWholeHead(limits, deadline, head);
}

template <class Head>
std::optional<Result<void>> Channel::ParseHead(const message::HeadLimits& limits, Head& head) {
  if (!HasBytes()) return std::nullopt;
  const std::string_view bytes(buffered().data(), buffered().size());
  const auto parsed = Parse(scanner_, bytes, limits, head);
  if (!parsed && side_ == Side::kUpstream) {
    return FailAt(parsed.error().limit, ErrorKind::kUpstreamBadResponse, side_,
                  parsed.error().detail, Sent::kAnswered);
  }
  if (!parsed) return std::unexpected(parsed.error());
  if (!*parsed) return std::nullopt;
  begin_ += **parsed;
  return Result<void>();
}

template <class Head>
Awaitable<Result<void>> Channel::ReadWholeHead(message::HeadLimits limits, TimePoint deadline,
                                               Head& head) {
  for (;;) {
    if (auto result = ParseHead(limits, head)) co_return *result;
    auto taken = TakeHeadBytes(co_await AwaitHead(deadline), limits, deadline);
    if (!taken) co_return taken;
  }
}

Result<void> Channel::TakeHeadBytes(error_code waited, const message::HeadLimits& limits,
                                    TimePoint deadline) {
  error_code error = waited;
  // Bytes that trickle in are always there when a deadline is looked at.
  if (!error && loop_.now() >= deadline + kDeadlineSlack) error = asio::error::timed_out;
  if (!error) {
    MakeRoom(limits.head_bytes);
    error = FillNow();
  }
  if (!error) return {};
  return ReadFailed(
      error, side_ == Side::kDownstream ? Limit::kRequestHeadTime : Limit::kResponseHeadTime);
}

// Room for at least one more byte of a head. No spans point into the buffer yet.
void Channel::MakeRoom(std::size_t head_bytes) {
  if (!head_buffer_) head_buffer_ = loop_.buffers().Take(BufferPool::kSmall);
  if (end_ < head_buffer_.size()) return;
  if (begin_ != 0) {
    std::memmove(head_buffer_.data(), head_buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return;
  }
  // One byte more than the limit lets the scanner see that it is passed.
  const std::size_t size =
      std::max(head_buffer_.size() + 1, std::min(head_buffer_.size() * 4, head_bytes + 1));
  net::Lease larger = loop_.buffers().Take(size);
  std::memcpy(larger.data(), head_buffer_.data(), end_);
  head_buffer_ = std::move(larger);
}

// Reads what is there into the free end of the current buffer.
error_code Channel::FillNow() {
  const auto read = stream_->TryRead({buffer_->data() + end_, buffer_->size() - end_});
  if (!read) return {};
  end_ += read->bytes;
  got_bytes_ |= read->bytes != 0;
  return read->error;
}

void Channel::StartReadingBody(Framing framing, std::uint64_t length,
                               const message::BodyLimits& limits) {
  read_framing_ = framing;
  decoder_.Start(framing, length, side_, limits);
}

Result<BodyPiece> Channel::BufferedBody() {
  if (std::exchange(pipe_full_, false)) {
    decoder_.Skip(pipe_.get()->bytes());
    return BodyPiece{
        .end = decoder_.ended(), .pipe = pipe_.get(), .pipe_bytes = pipe_.get()->bytes()};
  }
  if (decoder_.ended()) return BodyPiece{.end = true};
  if (!HasBytes()) return BodyPiece{};
  const bool came_with_head = buffer_ == &head_buffer_;
  Result<BodyPiece> piece = DecodeBuffered();
  if (piece && came_with_head && !HasBytes() && !piece->end) {
    piece->more = MoreOfBody();
    piece->end = decoder_.ended();
  }
  return piece;
}

// A body that did not fit behind its head is probably there: sent together with that it is one call
// and one packet less (64 KiB: 55 -> 47 us).
std::string_view Channel::MoreOfBody() {
  if (read_framing_ != Framing::kLength || !stream_->readable() || MaySplice()) return {};
  body_buffer_ = loop_.buffers().Take(BodyBufferSize());
  buffer_ = &body_buffer_;
  begin_ = end_ = 0;
  const auto read = stream_->TryRead(
      {body_buffer_.data(), std::min<std::uint64_t>(decoder_.wanted(), body_buffer_.size())});
  if (!read) return {};
  read_error_ = read->error;
  decoder_.Skip(read->bytes);
  return {body_buffer_.data(), read->bytes};
}

void Channel::ForgetBody() {
  if (buffer_ == &body_buffer_ && !HasBytes()) body_buffer_.Reset();
}

Result<BodyPiece> Channel::DecodeBuffered() {
  const std::span<char> bytes = buffered();
  const auto step = decoder_.Decode(bytes);
  if (!step) return std::unexpected(step.error());
  begin_ += step->consumed;
  return BodyPiece{.data = {bytes.data(), step->data},
                   .end = step->end,
                   .trailers = step->end ? decoder_.trailers() : std::string_view()};
}

Awaitable<Result<BodyPiece>> Channel::ReadBody(Duration timeout) {
  for (;;) {
    const Result<BodyPiece> piece = BufferedBody();
    if (!piece || piece->end || !piece->empty()) co_return piece;
    const error_code error = co_await FillBody(timeout);
    if (!error) continue;
    if (error != asio::error::eof) {
      co_return ReadFailed(
          error, read_framing_ == Framing::kTunnel ? Limit::kTunnelTime : Limit::kIdleTime);
    }
    if (const auto ended = decoder_.OnEndOfStream(); !ended) {
      co_return std::unexpected(ended.error());
    }
  }
}

// At 64 KiB the two calls a piece cost what copying does, at 1 MiB splice moves 1.8 times the bytes
// a second of CPU, at 64 MiB 2.4 times.
bool Channel::MaySplice() const {
  return read_framing_ == Framing::kLength && decoder_.wanted() >= kSpliceFrom;
}

// A body that is known to be long is read into a large buffer from its first piece on.
std::size_t Channel::BodyBufferSize() const {
  const bool filled = buffer_ == &body_buffer_ && end_ == body_buffer_.size();
  const bool known_long =
      read_framing_ == Framing::kLength && decoder_.wanted() > BufferPool::kSmall;
  return filled || known_long ? BufferPool::kLarge : BufferPool::kSmall;
}

// Everything read so far has been used up; reads more of the body, never of what follows it where
// the length is known. No buffer is held while there is nothing to read.
Awaitable<error_code> Channel::FillBody(Duration timeout) {
  if (read_error_) co_return std::exchange(read_error_, {});
  const std::size_t size = BodyBufferSize();
  if (!stream_->readable()) body_buffer_.Reset();
  buffer_ = &body_buffer_;
  begin_ = end_ = 0;
  if (const error_code error = co_await stream_->AwaitReadable(timeout)) co_return error;
  const std::uint64_t wanted = decoder_.wanted();
  std::optional<net::IoResult> read;
  if (MaySplice() && !pipe_) pipe_ = loop_.pipes().Take();
  if (MaySplice() && pipe_) {
    body_buffer_.Reset();
    Pipe& pipe = *pipe_.get();
    read = stream_->TryReadInto(pipe, std::min<std::uint64_t>(wanted, pipe.capacity()));
    pipe_full_ = read && read->bytes != 0;
  } else {
    if (body_buffer_.size() < size) body_buffer_ = loop_.buffers().Take(size);
    read = stream_->TryRead(
        {body_buffer_.data(), std::min<std::uint64_t>(wanted, body_buffer_.size())});
    end_ = read ? read->bytes : 0;
  }
  if (!read) co_return error_code();
  got_bytes_ |= read->bytes != 0;
  co_return read->error;
}

std::optional<Result<void>> Channel::TryWrite(std::string_view head, const BodyPiece& piece) {
  net::GatherBuffers pieces;
  pieces.Add(head);
  if (write_framing_ == Framing::kChunked) {
    AddChunk(piece, pieces);
  } else {
    pieces.Add(piece.data);
    pieces.Add(piece.more);
  }
  const std::size_t all = pieces.size();
  if (!stream_->is_open()) return WriteFailed(asio::error::operation_aborted, true);
  const error_code error = stream_->TryWrite(pieces);
  if (!error) return Result<void>();
  if (error != asio::error::would_block) return WriteFailed(error, pieces.size() == all);
  rest_ = pieces;
  return std::nullopt;
}

void Channel::AddChunk(const BodyPiece& piece, net::GatherBuffers& pieces) {
  assert(piece.pipe == nullptr && piece.more.empty());  // bodies with a length only
  if (!piece.data.empty()) {
    auto* end =
        std::to_chars(size_line_.begin(), size_line_.begin() + 16, piece.data.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    pieces.Add({size_line_.data(), static_cast<std::size_t>(end - size_line_.data())});
    pieces.Add(piece.data);
    pieces.Add(piece.end ? "\r\n0\r\n" : "\r\n");
  } else if (piece.end) {
    pieces.Add("0\r\n");
  }
  if (piece.end) {
    pieces.Add(piece.trailers);
    pieces.Add("\r\n");
  }
}

Awaitable<Result<void>> Channel::WriteRest(Duration timeout) {
  if (const error_code error = co_await stream_->Write(rest_, timeout))
    co_return WriteFailed(error, /*nothing_sent=*/false);
  co_return Result<void>();
}

Awaitable<Result<void>> Channel::Write(std::string_view head, BodyPiece piece, Duration timeout) {
  if (piece.pipe != nullptr) {
    if (const error_code error = co_await stream_->WriteFrom(*piece.pipe, timeout)) {
      co_return WriteFailed(error, piece.pipe->bytes() == piece.pipe_bytes);
    }
    co_return Result<void>();
  }
  if (const auto written = TryWrite(head, piece)) co_return *written;
  co_return co_await WriteRest(timeout);
}

// `time`: the limit that was hit if the time was up.
std::unexpected<ProxyError> Channel::ReadFailed(const error_code& error, Limit time) const {
  if (side_ == Side::kDownstream) {
    if (error == asio::error::timed_out) {
      return FailAt(time, ErrorKind::kRequestTimeout, side_, "the client was too slow");
    }
    return Fail(ErrorKind::kClientClosed, side_, "the client left");
  }
  const Sent sent = got_bytes_ ? Sent::kAnswered : Sent::kMaybe;
  if (error == asio::error::timed_out) {
    return FailAt(time, ErrorKind::kUpstreamTimeout, side_, "the backend was too slow", sent);
  }
  if (error == asio::error::eof) {
    return Fail(ErrorKind::kUpstreamClosedEarly, side_, "the backend closed the connection", sent);
  }
  return Fail(ErrorKind::kUpstreamReset, side_, "the connection to the backend broke", sent);
}

std::unexpected<ProxyError> Channel::WriteFailed(const error_code& error, bool nothing_sent) const {
  const bool timed_out = error == asio::error::timed_out;
  const Limit limit = !timed_out                           ? Limit::kNone
                      : write_framing_ == Framing::kTunnel ? Limit::kTunnelTime
                                                           : Limit::kIdleTime;
  if (side_ == Side::kDownstream) {
    return FailAt(limit, ErrorKind::kClientClosed, side_,
                  timed_out ? "the client does not read" : "the client left");
  }
  const Sent sent = nothing_sent && !got_bytes_ ? Sent::kNothing : Sent::kMaybe;
  if (timed_out) {
    return FailAt(limit, ErrorKind::kUpstreamTimeout, side_, "the backend does not read", sent);
  }
  return Fail(ErrorKind::kUpstreamReset, side_, "the connection to the backend broke", sent);
}

}  // namespace remora::proxy::http1
