#include "proxy/upstream/http1_connection.h"

#include <utility>

#include "proxy/message/rules.h"

namespace remora::proxy::upstream {

using message::BodyPiece;
using message::Framing;
using net::Awaitable;

Http1Connection::Http1Connection(net::Loop& loop, std::unique_ptr<net::Stream> stream,
                                 const PoolSettings& settings)
    : settings_(settings),
      channel_(loop, std::move(stream), Side::kUpstream),
      read_timeout_(settings.timeouts.idle) {}

void Http1Connection::PrepareRequest(const message::RequestHead& request,
                                     const message::ForwardedRequest& forwarded) {
  ++requests_;
  head_.clear();
  message::AppendRequestHead(request, forwarded, head_);
  channel_.StartWritingBody(request.framing);
}

Result<bool> Http1Connection::SendRequest(const BodyPiece& first) {
  const auto written = channel_.TryWrite(head_, first);
  first_ends_ = first.end;
  if (!written) return false;
  if (!*written) return Explain(Result<bool>(std::unexpected(written->error())));
  sent_all_ = first_ends_;
  return true;
}

Awaitable<Result<void>> Http1Connection::SendRest() {
  auto result = co_await channel_.WriteRest(settings_.timeouts.idle);
  if (!result) result.error().sent = channel_.got_bytes() ? Sent::kAnswered : Sent::kMaybe;
  sent_all_ = result.has_value() && first_ends_;
  co_return Explain(result);
}

Awaitable<Result<void>> Http1Connection::SendBody(BodyPiece piece) {
  auto result = co_await channel_.Write({}, piece, settings_.timeouts.idle);
  if (!result) {
    // The head has gone before.
    result.error().sent = channel_.got_bytes() ? Sent::kAnswered : Sent::kMaybe;
    co_return Explain(result);
  }
  if (piece.end && tunnel_) channel_.stream().ShutdownSend();
  sent_all_ = piece.end;
  co_return result;
}

Awaitable<Result<void>> Http1Connection::ReadHead(const message::RequestHead& request,
                                                  TimePoint deadline, message::ResponseHead& head) {
  const message::HeadLimits head_limits = message::HeadLimitsOf(settings_.limits);
  // Here and not in a coroutine of the channel's: each is 150 instructions a request.
  channel_.BeginHead();
  for (;;) {
    if (const auto read = channel_.TryReadHead(head_limits, head)) {
      if (!*read) co_return Explain(*read);
      break;
    }
    const auto taken =
        channel_.TakeHeadBytes(co_await channel_.AwaitHead(deadline), head_limits, deadline);
    if (!taken) co_return Explain(taken);
  }
  const auto checked = message::ApplyResponseRules(request, head);
  if (!checked || head.is_interim()) co_return checked;
  answered_ = true;
  keep_alive_ = head.keep_alive;
  message::BodyLimits limits = message::BodyLimitsOf(settings_.limits);
  limits.body_bytes = 0;  // of requests only
  channel_.StartReadingBody(head.framing, head.length, limits);
  co_return Result<void>();
}

Awaitable<Result<BodyPiece>> Http1Connection::ReadBody() {
  co_return Explain(co_await channel_.ReadBody(read_timeout_));
}

void Http1Connection::StartTunnel(Duration idle) {
  tunnel_ = true;
  read_timeout_ = idle;
  channel_.StartReadingBody(Framing::kTunnel, 0, {});
  channel_.StartWritingBody(Framing::kTunnel);
}

bool Http1Connection::Finish() {
  // Bytes behind the answer can be no answer (RFC 9112 section 6.3): such a connection is not
  // sound.
  const bool sound = sent_all_ && answered_ && keep_alive_ && !tunnel_ && channel_.body_ended() &&
                     !channel_.HasBytes() && channel_.stream().is_open();
  if (!sound) return false;
  channel_.FinishMessage();
  sent_all_ = answered_ = keep_alive_ = false;
  return true;
}

}  // namespace remora::proxy::upstream
