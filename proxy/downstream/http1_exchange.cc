#include "proxy/downstream/http1_exchange.h"

#include "proxy/message/serialize.h"

namespace remora::proxy {

using message::BodyPiece;
using message::Framing;
using message::ResponseHead;
using net::Awaitable;

Http1Exchange::Http1Exchange(http1::Channel& channel, const message::RequestHead& request,
                             const Facts& facts)
    : channel_(channel),
      request_(request),
      facts_(facts),
      read_timeout_(facts.settings->timeouts.idle),
      head_(*facts.head) {
  channel_.StartReadingBody(request.framing, request.length,
                            message::BodyLimitsOf(facts.settings->limits));
}

Result<BodyPiece> Http1Exchange::BufferedBody() {
  auto piece = channel_.BufferedBody();
  if (piece) bytes_in_ += piece->size();
  return piece;
}

Awaitable<Result<BodyPiece>> Http1Exchange::ReadBody() {
  auto piece = co_await channel_.ReadBody(read_timeout_);
  if (piece) bytes_in_ += piece->size();
  co_return piece;
}

// Not where the body has been read to its end: the next request on the connection would be stopped.
void Http1Exchange::StopReading() {
  if (!channel_.body_ended()) channel_.stream().InterruptRead();
}

Awaitable<Result<void>> Http1Exchange::SendInterim(const ResponseHead& head) {
  if (request_.minor_version == 0) co_return Result<void>();  // RFC 9110 section 15.2
  head_.clear();
  message::AppendInterimHead(head, head_);
  channel_.StartWritingBody(Framing::kNone);
  co_return co_await channel_.Write(head_, {}, facts_.settings->timeouts.idle);
}

// An answer that comes before its request is complete ends the connection: what follows on it could
// not be told from the rest of the body.
bool Http1Exchange::MustClose() const {
  return !request_.keep_alive || !channel_.body_ended() || *facts_.draining || facts_.last_request;
}

void Http1Exchange::PrepareHead(const ResponseHead& head) {
  const Framing framing = message::FramingTowards(request_.minor_version, head.framing);
  close_ = MustClose() || framing == Framing::kUntilClose;
  head_.clear();
  message::AppendResponseHead(head,
                              {.request_id = facts_.request_id,
                               .date = facts_.date->Now(),
                               .framing = framing,
                               .close = close_,
                               .trailers = request_.wants_trailers},
                              head_);
  channel_.StartWritingBody(framing);
}

Result<bool> Http1Exchange::SendHead(BodyPiece first) {
  if (!request_.wants_trailers) first.trailers = {};
  first_bytes_ = first.size();
  first_ends_ = first.end;
  const auto written = channel_.TryWrite(head_, first);
  if (!written) return false;
  if (!*written) return std::unexpected(written->error());
  NoteFirstSent();
  return true;
}

Awaitable<Result<void>> Http1Exchange::SendRest() {
  auto result = co_await channel_.WriteRest(facts_.settings->timeouts.idle);
  if (result) NoteFirstSent();
  co_return result;
}

void Http1Exchange::NoteFirstSent() {
  bytes_out_ += first_bytes_;
  sent_answer_ = first_ends_;
}

Awaitable<Result<void>> Http1Exchange::SendBody(BodyPiece piece) {
  if (!request_.wants_trailers) piece.trailers = {};
  auto result = co_await channel_.Write({}, piece, facts_.settings->timeouts.idle);
  if (result) bytes_out_ += piece.size();
  if (result && piece.end) {
    sent_answer_ = true;
    if (tunnel_) channel_.stream().ShutdownSend();
  }
  co_return result;
}

Awaitable<Result<void>> Http1Exchange::SendError(const ProxyError& error) {
  close_ = Describe(error.kind).close || MustClose();
  head_.clear();
  message::AppendErrorResponse(error, facts_.request_id, facts_.date->Now(), close_,
                               request_.is_head(), head_);
  channel_.StartWritingBody(Framing::kNone);
  auto result = co_await channel_.Write(head_, {}, facts_.settings->timeouts.idle);
  sent_answer_ = result.has_value();
  co_return result;
}

Awaitable<Result<void>> Http1Exchange::SendOptionsAnswer() {
  close_ = MustClose();
  head_.clear();
  message::AppendOptionsAnswer(facts_.request_id, facts_.date->Now(), close_, head_);
  channel_.StartWritingBody(Framing::kNone);
  auto result = co_await channel_.Write(head_, {}, facts_.settings->timeouts.idle);
  sent_answer_ = result.has_value();
  co_return result;
}

void Http1Exchange::StartTunnel(Duration idle) {
  tunnel_ = true;
  read_timeout_ = idle;
  channel_.StartReadingBody(Framing::kTunnel, 0, {});
  channel_.StartWritingBody(Framing::kTunnel);
}

// A reset, so that a body that ends with the connection is not taken for whole.
void Http1Exchange::Abort() { channel_.stream().Reset(); }

bool Http1Exchange::MayContinue() const {
  return sent_answer_ && !close_ && !tunnel_ && channel_.body_ended();
}

}  // namespace remora::proxy
