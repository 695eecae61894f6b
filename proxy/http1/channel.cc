#include "proxy/http1/channel.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace remora::proxy::http1 {

namespace asio = net::asio;
using message::BodyPiece;
using message::Framing;
using net::Awaitable;
using net::BufferPool;
using net::error_code;

Channel::Channel(net::Loop& loop, std::unique_ptr<net::Stream> stream, Side side)
    : loop_(loop), stream_(std::move(stream)), side_(side) {}

Awaitable<error_code> Channel::WaitForBytes(Duration timeout) {
  constexpr std::string_view kEmptyLine = "\r\n";
  for (;;) {
    if (HasBytes()) {
      const std::string_view bytes(buffered().data(), buffered().size());
      if (!kEmptyLine.starts_with(bytes) || empty_line_passed_) co_return error_code();
      empty_line_passed_ = bytes == kEmptyLine;
      // What is left of it, a CR or nothing, goes to the front: there must be room behind it.
      head_buffer_.data()[0] = '\r';
      begin_ = 0;
      end_ = empty_line_passed_ ? 0 : 1;
    }
    error_code error = co_await stream_->AwaitReadable(timeout);
    if (!error) {
      if (!head_buffer_) head_buffer_ = loop_.buffers().Take(BufferPool::kSmall);
      error = FillNow();
    }
    if (!HasBytes()) head_buffer_.Reset();
    if (error) co_return error;
  }
}

void Channel::FinishMessage() {
  if (buffer_ == &body_buffer_) {
    if (HasBytes()) head_buffer_ = std::move(body_buffer_);
    buffer_ = &head_buffer_;
  }
  body_buffer_.Reset();
  if (!HasBytes()) {
    begin_ = end_ = 0;
    head_buffer_.Reset();
  }
  scanner_.Reset();
  empty_line_passed_ = false;
  got_bytes_ = HasBytes();
}

Awaitable<Result<void>> Channel::ReadHead(const message::HeadLimits& limits, TimePoint deadline,
                                          message::RequestHead& head) {
  return ReadHeadWith(message::ParseRequestHead, limits, deadline, head);
}

Awaitable<Result<void>> Channel::ReadHead(const message::HeadLimits& limits, TimePoint deadline,
                                          message::ResponseHead& head) {
  return ReadHeadWith(message::ParseResponseHead, limits, deadline, head);
}

template <class Head, class Parse>
Awaitable<Result<void>> Channel::ReadHeadWith(Parse parse, message::HeadLimits limits,
                                              TimePoint deadline, Head& head) {
  scanner_.Reset(empty_line_passed_);
  for (;;) {
    if (HasBytes()) {
      const std::span<char> bytes = buffered();
      const auto parsed =
          parse(scanner_, std::string_view(bytes.data(), bytes.size()), limits, head);
      if (!parsed && side_ == Side::kUpstream) {
        co_return FailAt(parsed.error().limit, ErrorKind::kUpstreamBadResponse, side_,
                         parsed.error().detail, Sent::kAnswered);
      }
      if (!parsed) co_return std::unexpected(parsed.error());
      if (*parsed) {
        begin_ += **parsed;
        co_return Result<void>();
      }
    }
    error_code error = co_await stream_->AwaitReadable(deadline - loop_.now());
    if (!error) {
      MakeRoom(limits.head_bytes);
      error = FillNow();
    }
    if (error) {
      co_return ReadFailed(
          error, side_ == Side::kDownstream ? Limit::kRequestHeadTime : Limit::kResponseHeadTime);
    }
  }
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
  decoder_ = message::BodyDecoder(framing, length, side_, limits);
}

Result<BodyPiece> Channel::BufferedBody() {
  if (decoder_.ended()) return BodyPiece{.data = {}, .end = true, .trailers = {}};
  if (!HasBytes()) return BodyPiece{};
  return DecodeBuffered();
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
    if (!piece || piece->end || !piece->data.empty()) co_return piece;
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

// Everything read so far has been used up; reads more of the body, never of what follows it where
// the length is known.
Awaitable<error_code> Channel::FillBody(Duration timeout) {
  const bool bulk = buffer_ == &body_buffer_ && end_ == body_buffer_.size();
  if (read_framing_ == Framing::kTunnel) {
    // A tunnel may be silent for an hour: no buffer meanwhile.
    body_buffer_.Reset();
    buffer_ = &body_buffer_;
    begin_ = end_ = 0;
    const error_code error = co_await stream_->AwaitReadable(timeout);
    if (error) co_return error;
  }
  const std::uint64_t wanted = decoder_.wanted();
  const std::size_t size = bulk && wanted > BufferPool::kSmall ? BufferPool::kLarge
                           : body_buffer_                      ? body_buffer_.size()
                                                               : BufferPool::kSmall;
  if (!body_buffer_ || body_buffer_.size() != size) body_buffer_ = loop_.buffers().Take(size);
  buffer_ = &body_buffer_;
  begin_ = end_ = 0;
  const std::span<char> room(body_buffer_.data(), static_cast<std::size_t>(std::min<std::uint64_t>(
                                                      wanted, body_buffer_.size())));
  const net::IoResult result = co_await stream_->Read(room, timeout);
  end_ = result.bytes;
  got_bytes_ |= result.bytes != 0;
  co_return result.error;
}

std::optional<Result<void>> Channel::TryWrite(std::string_view head, BodyPiece piece) {
  pieces_ = net::GatherBuffers();
  pieces_.Add(head);
  if (write_framing_ == Framing::kChunked) {
    AddChunk(piece);
  } else {
    pieces_.Add(piece.data);
  }
  unsent_ = pieces_.size();
  if (!stream_->is_open()) return WriteFailed(asio::error::operation_aborted);
  const error_code error = stream_->TryWrite(pieces_);
  if (!error) return Result<void>();
  if (error == asio::error::would_block) return std::nullopt;
  return WriteFailed(error);
}

void Channel::AddChunk(const BodyPiece& piece) {
  if (!piece.data.empty()) {
    auto* end =
        std::to_chars(size_line_.begin(), size_line_.begin() + 16, piece.data.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    pieces_.Add({size_line_.data(), static_cast<std::size_t>(end - size_line_.data())});
    pieces_.Add(piece.data);
    pieces_.Add(piece.end ? "\r\n0\r\n" : "\r\n");
  } else if (piece.end) {
    pieces_.Add("0\r\n");
  }
  if (piece.end) {
    pieces_.Add(piece.trailers);
    pieces_.Add("\r\n");
  }
}

Awaitable<Result<void>> Channel::WriteRest(Duration timeout) {
  if (const error_code error = co_await stream_->Write(pieces_, timeout))
    co_return WriteFailed(error);
  co_return Result<void>();
}

Awaitable<Result<void>> Channel::Write(std::string_view head, BodyPiece piece, Duration timeout) {
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

std::unexpected<ProxyError> Channel::WriteFailed(const error_code& error) const {
  const bool nothing_sent = pieces_.size() == unsent_;
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
