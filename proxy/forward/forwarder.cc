#include "proxy/forward/forwarder.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <random>
#include <utility>

#include "proxy/net/event.h"
#include "proxy/net/spawn.h"

namespace remora::proxy {

using message::BodyPiece;
using message::Framing;
using message::RequestHead;
using message::ResponseHead;
using net::Awaitable;

namespace {

// After a complete answer the rest of the request goes on for as long as it does not pause longer.
constexpr std::chrono::milliseconds kUploadPause{500};

}  // namespace

// The request's body on its way to the backend, beside the answer's way back.
struct Forwarder::Upload {
  explicit Upload(net::Loop& loop) : done(loop) {}

  net::Event done;
  bool running = true;
  bool complete = false;             // the last piece has been sent
  const BodyPiece* first = nullptr;  // what of the request has not all been sent
  bool invited = true;  // false while the client waits for a 100 (Expect: 100-continue)
  std::uint64_t pieces = 0;
  TimePoint ended;
  std::optional<ProxyError> error;
};

// What the two ways of a tunnel share: it is idle only when neither moves.
struct Forwarder::Tunnel {
  Duration idle;
  TimePoint last_byte;

  // One way of it: from `from` until its end, which is passed on as a half-close.
  template <class From, class To>
  static Awaitable<Result<void>> Relay(From& from, To& to, Tunnel& tunnel) {
    for (bool ended = false; !ended;) {
      const auto piece = co_await from.ReadBody();
      if (!piece) {
        const bool timed_out = piece.error().kind == ErrorKind::kRequestTimeout ||
                               piece.error().kind == ErrorKind::kUpstreamTimeout;
        if (timed_out && Clock::now() < tunnel.last_byte + tunnel.idle) continue;
        co_return std::unexpected(piece.error());
      }
      tunnel.last_byte = Clock::now();
      ended = piece->end;
      const auto sent = co_await to.SendBody(*piece);
      if (!sent) co_return sent;
    }
    co_return Result<void>();
  }

  static Awaitable<> RelayUpstream(Exchange& exchange, upstream::Connection& connection,
                                   Tunnel& tunnel, Upload& upload) {
    const auto result = co_await Relay(exchange, connection, tunnel);
    if (result) co_return;
    upload.error = result.error();
    connection.Close();  // wakes the other way
  }
};

// Who waits for a client that does not read would not notice the end of the connection.
void Forwarder::Progress::OnCut() {
  cut = true;
  if (answering || hinting) exchange.Abort();
}

Forwarder::Forwarder(net::Loop& loop, upstream::Pool& connections, LimitHits& hits,
                     Reporter& reporter, const PoolSettings& settings, std::string_view via_name,
                     CurrentSet current)
    : loop_(loop),
      connections_(connections),
      hits_(hits),
      reporter_(reporter),
      settings_(settings),
      via_name_(via_name),
      current_(std::move(current)),
      balancer_(std::random_device{}()) {}

Awaitable<> Forwarder::Forward(Exchange& exchange, TimePoint read, RequestRecord& record) {
  Progress progress(exchange, record, read);
  const auto first = exchange.BufferedBody();
  if (!first) {
    hits_.Add(first.error().limit);
    co_await Conclude(exchange, progress, first.error());
    co_return;
  }
  progress.first = *first;
  for (std::uint32_t retries = 0;; ++retries) {
    const Result<void> result = co_await TryOnce(exchange, progress);
    if (result) {
      progress.record.answer_complete = true;
      break;
    }
    hits_.Add(result.error().limit);
    if (result.error().side == Side::kUpstream) {
      reporter_.CountFailure(progress.record.counters.get());
    }
    const RetryFacts facts{.idempotent = exchange.request().is_idempotent(),
                           .replayable = progress.replayable && !progress.answering,
                           .reused = progress.reused,
                           .retries = retries};
    if (!MayRetry(result.error(), facts)) {
      co_await Conclude(exchange, progress, result.error());
      break;
    }
    progress.last_error = result.error();
    if (progress.reused) {
      progress.stale = progress.backend;
    } else {
      progress.failed.push_back(progress.backend);
    }
  }
}

// Elsewhere if there is an elsewhere; then the one whose kept connection was stale, on a new one;
// then those that took no connection a moment ago, but none that failed this request.
Result<ActiveRequest> Forwarder::Pick(const Progress& progress) {
  if (!progress.last_error && !connections_.avoids_any()) return balancer_.Pick(current_(), {});
  upstream::Pool::Backends excluded = progress.failed;
  const bool avoiding = connections_.AddAvoided(excluded);
  if (progress.stale != nullptr) excluded.push_back(progress.stale);
  auto picked = balancer_.Pick(current_(), excluded);
  if (!picked && progress.stale != nullptr) {
    excluded.pop_back();
    picked = balancer_.Pick(current_(), excluded);
  }
  if (!picked && avoiding) picked = balancer_.Pick(current_(), progress.failed);
  if (picked || !progress.last_error) return picked;
  ProxyError last = *progress.last_error;
  last.limit = Limit::kNone;  // counted when it was met
  return std::unexpected(last);
}

Awaitable<Result<void>> Forwarder::TryOnce(Exchange& exchange, Progress& progress) {
  auto picked = Pick(progress);
  if (!picked) {
    ProxyError error = picked.error();
    error.side = Side::kProxy;  // final: nothing is left to try
    co_return std::unexpected(error);
  }
  // Counted until this returns; the connection goes back before that (destroyed in reverse order).
  const ActiveRequest active = std::move(*picked);
  Backend& backend = *active.backend();
  progress.backend = &backend;
  progress.reused = false;
  if (progress.last_error) reporter_.CountRetry(progress.last_error->kind);
  NotePick(backend, progress);
  reporter_.CountPick(backend.counters().get());
  // One stale connection to a backend that was restarted means that all are.
  auto borrowed = progress.stale == nullptr
                      ? connections_.Reuse(backend, settings_, exchange.direction())
                      : std::nullopt;
  if (!borrowed) {
    auto opened = co_await connections_.Open(backend, settings_, exchange.direction());
    if (!opened) co_return std::unexpected(opened.error());
    borrowed.emplace(*std::move(opened));
  }
  progress.connected = std::max(progress.picked, loop_.now());
  progress.record.connect = progress.connected - progress.picked;
  borrowed->SetCutObserver(progress);
  upstream::Connection& connection = **borrowed;
  connection.PrepareRequest(exchange.request(), ForwardedTo(backend, exchange));
  co_await net::SendTurn(loop_);
  const Result<bool> sent = connection.SendRequest(progress.first);
  progress.reused = connection.reused();
  if (sent && *sent && !progress.first.more.empty()) {
    // No large buffer is held until the answer comes.
    exchange.ForgetBody();
    progress.replayable = false;
  }
  Result<void> result;
  if (!sent && sent.error().sent == Sent::kNothing) {
    result = std::unexpected(sent.error());
  } else if (!sent || (*sent && progress.first.end)) {
    // A backend that refuses a request early may close before it has read all: its answer counts.
    result = co_await RelayAnswer(exchange, connection, nullptr, progress);
  } else {
    result = co_await RelayBoth(exchange, connection, *sent, progress);
  }
  if (!result && progress.cut) co_return upstream::CutError();
  co_return result;
}

message::ForwardedRequest Forwarder::ForwardedTo(const Backend& backend,
                                                 const Exchange& exchange) const {
  const bool own_host =
      settings_.host_header == HostHeader::kBackend || exchange.request().authority.empty();
  return {.prefix = backend.url().prefix,
          .host = own_host ? std::string_view(backend.authority()) : std::string_view(),
          .client_ip = exchange.client_ip(),
          .request_id = exchange.request_id(),
          .via_name = via_name_};
}

void Forwarder::NotePick(const Backend& backend, Progress& progress) {
  RequestRecord& record = progress.record;
  // Nothing has been waited for before the first one: reading the clock takes 30 ns.
  progress.picked = record.attempts == 0 ? progress.read : Clock::now();
  progress.connected = TimePoint();
  record.server = backend.id();
  record.counters = backend.counters();
  record.active_at_pick = backend.admission().Load().active();
  record.connect = record.first_byte = Duration::zero();
  if (record.attempts++ == 0) record.first_pick = progress.picked;
}

// The final head is there.
void Forwarder::NoteAnswer(Progress& progress) {
  const TimePoint now = std::max(progress.connected, loop_.now());
  progress.record.first_byte = now - progress.connected;
  reporter_.CountAnswer(progress.record.counters.get(), now - progress.picked);
}

// What is left of the request goes to the backend while its answer comes. `first_is_sent`: with the
// head.
Awaitable<Result<void>> Forwarder::RelayBoth(Exchange& exchange, upstream::Connection& connection,
                                             bool first_is_sent, Progress& progress) {
  Upload upload(loop_);
  upload.first = first_is_sent ? nullptr : &progress.first;
  upload.invited = !exchange.request().expects_continue || !progress.first.empty();
  progress.replayable = false;
  Start(RelayUpload(exchange, connection, upload), upload);
  Result<void> result;
  std::exception_ptr failure;
  try {
    result = co_await RelayAnswer(exchange, connection, &upload, progress);
  } catch (...) {
    failure = std::current_exception();  // out of memory: the upload must end before we do
  }
  // A backend that has answered may still be reading. A client that waited for a 100 and got this
  // answer instead sends nothing.
  const bool may_go_on = upload.invited || upload.pieces != 0;
  for (std::uint64_t seen = UINT64_MAX;
       result && may_go_on && upload.running && upload.pieces != seen;) {
    seen = upload.pieces;
    co_await upload.done.WaitFor(kUploadPause);
  }
  // What the upload met by itself, before it is stopped below.
  const std::optional<ProxyError> upload_error = upload.error;
  if (!upload.complete && upload.running) {
    // Answered and not reading on, or failed: what is left of the body is of no use.
    exchange.StopReading();
    connection.Close();
  }
  co_await upload.done.Wait();
  if (failure) std::rethrow_exception(failure);
  if (upload_error && result) hits_.Add(upload_error->limit);
  if (upload_error && !result && upload_error->side == Side::kDownstream) {
    result = std::unexpected(*upload_error);
  }
  co_return result;
}

Awaitable<Result<void>> Forwarder::RelayAnswer(Exchange& exchange, upstream::Connection& connection,
                                               Upload* upload, Progress& progress) {
  ResponseHead& head = answer_head_;
  // The clock for the head starts when the request has been sent.
  TimePoint deadline = HeadDeadline(loop_.now());
  for (std::uint32_t interim = 0;;) {
    auto read = co_await connection.ReadHead(exchange.request(), deadline, head);
    if (!read && read.error().kind == ErrorKind::kUpstreamTimeout && upload != nullptr) {
      // It starts anew when an upload has ended.
      deadline = HeadDeadline(upload->running ? Clock::now() : upload->ended);
      if (deadline > Clock::now()) continue;
    }
    if (!read) co_return read;
    if (!head.is_interim()) break;
    read = co_await RelayInterim(exchange, head, ++interim, upload, progress);
    if (!read) co_return read;
  }
  NoteAnswer(progress);
  const bool tunnel = head.status == 101;
  const auto first = tunnel ? BodyPiece() : connection.BufferedBody();
  if (!first) co_return std::unexpected(first.error());
  progress.answering = true;
  progress.record.status = head.status;
  exchange.PrepareHead(head);
  co_await net::SendTurn(loop_);
  const Result<bool> head_sent = exchange.SendHead(*first);
  if (!head_sent) co_return std::unexpected(head_sent.error());
  Result<void> sent;
  if (!*head_sent) sent = co_await exchange.SendRest();
  if (sent && tunnel) co_return co_await RunTunnel(exchange, connection);
  bool ended = first->end;
  while (sent && !ended) {
    const auto piece = co_await connection.ReadBody();
    if (!piece) co_return std::unexpected(piece.error());
    ended = piece->end;
    sent = co_await exchange.SendBody(*piece);
  }
  co_return sent;
}

Awaitable<Result<void>> Forwarder::RelayInterim(Exchange& exchange, const ResponseHead& head,
                                                std::uint32_t number, Upload* upload,
                                                Progress& progress) {
  if (number > settings_.limits.interim_responses) {
    co_return FailAt(Limit::kInterimResponses, ErrorKind::kUpstreamBadResponse, Side::kUpstream,
                     "more interim answers than interim_responses", Sent::kAnswered);
  }
  if (upload != nullptr && head.status == 100) upload->invited = true;
  progress.hinting = true;
  auto sent = co_await exchange.SendInterim(head);
  progress.hinting = false;
  co_return sent;
}

void Forwarder::Start(Awaitable<> work, Upload& upload) {
  net::Spawn(loop_, std::move(work), [&upload](const std::exception_ptr& failure) {
    if (failure) {
      upload.error = ProxyError{.kind = ErrorKind::kOverloaded,
                                .side = Side::kProxy,
                                .sent = Sent::kMaybe,
                                .detail = "out of memory"};
    }
    upload.running = false;
    upload.ended = Clock::now();
    upload.done.Set();
  });
}

Awaitable<> Forwarder::RelayUpload(Exchange& exchange, upstream::Connection& connection,
                                   Upload& upload) {
  bool ended = false;
  if (upload.first != nullptr) {
    const auto sent = co_await connection.SendRest();
    ++upload.pieces;
    if (!sent) {
      upload.error = sent.error();
      co_return;
    }
    ended = upload.first->end;
    exchange.ForgetBody();
  }
  while (!ended) {
    const auto piece = co_await exchange.ReadBody();
    if (!piece) {
      upload.error = piece.error();
      // Without its body the request is void; this also wakes whoever waits for the answer.
      connection.Close();
      co_return;
    }
    ended = piece->end;
    const auto sent = co_await connection.SendBody(*piece);
    ++upload.pieces;
    if (!sent) {
      upload.error = sent.error();
      co_return;
    }
  }
  upload.complete = true;
}

// Bytes both ways until both ends have closed, or one way fails.
Awaitable<Result<void>> Forwarder::RunTunnel(Exchange& exchange, upstream::Connection& connection) {
  Tunnel tunnel{.idle = settings_.timeouts.tunnel, .last_byte = Clock::now()};
  exchange.StartTunnel(tunnel.idle);
  connection.StartTunnel(tunnel.idle);
  Upload upload(loop_);
  Start(Tunnel::RelayUpstream(exchange, connection, tunnel, upload), upload);
  Result<void> result;
  std::exception_ptr failure;
  try {
    result = co_await Tunnel::Relay(connection, exchange, tunnel);
  } catch (...) {
    failure = std::current_exception();
  }
  // The way that failed first has the reason; the other one only met its end.
  std::optional<ProxyError> first = upload.error;
  if (!result || failure) {
    exchange.StopReading();
    connection.Close();
  }
  co_await upload.done.Wait();
  if (failure) std::rethrow_exception(failure);
  if (result) first = upload.error;
  if (first) result = std::unexpected(*first);
  co_return result;
}

// The one place where an error becomes an answer, or the end of one.
Awaitable<> Forwarder::Conclude(Exchange& exchange, Progress& progress, const ProxyError& error) {
  progress.record.error = error;
  if (progress.answering) {
    exchange.Abort();
    co_return;
  }
  if (error.kind == ErrorKind::kClientClosed) co_return;
  progress.record.status = Describe(error.kind).status;
  const auto sent = co_await exchange.SendError(error);
  progress.record.answer_complete = sent.has_value();
}

}  // namespace remora::proxy
