#include "proxy/downstream/http1_session.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "proxy/downstream/http1_exchange.h"
#include "proxy/http1/channel.h"
#include "proxy/message/rules.h"
#include "proxy/message/trace_context.h"

namespace remora::proxy {

using message::RequestHead;
using net::Awaitable;

namespace {

// A connection that has been idle for this long is parked: below it, busy keep-alive connections
// would pay for it with two system calls a request.
constexpr std::chrono::seconds kParkAfter{1};
// After an answer that the client may not have read yet: how long, and how many bytes, we go on
// reading so that no reset destroys the answer on its way (RFC 9112 section 9.6).
constexpr std::chrono::milliseconds kLingerTime{2000};
// One that was too slow is not waited for much longer.
constexpr std::chrono::milliseconds kSlowLingerTime{500};
constexpr std::size_t kLingerBytes = 1024 * 1024;
// While connections are being closed: how long one without any request yet may take for its first.
constexpr std::chrono::milliseconds kFirstRequestGrace{500};

class Http1Session {
 public:
  Http1Session(const SessionContext& context, IdleConnection connection)
      : context_(context),
        channel_(*context.loop, std::move(connection.stream), Side::kDownstream),
        client_ip_(std::move(connection.client_ip)),
        requests_(connection.requests) {
    member_.stream = &channel_.stream();
    context_.connections->Add(member_);
    if (client_ip_.empty()) client_ip_ = channel_.stream().PeerAddress().Ip();
  }

  Awaitable<IdleConnection> Run() {
    for (;;) {
      net::error_code waited;
      if (context_.connections->closing()) {
        waited = net::asio::error::operation_aborted;
      } else {
        member_.idle = true;
        const Duration timeout =
            std::min<Duration>(kParkAfter, context_.listener->keep_alive_timeout);
        while (!waited && !channel_.HasMessage()) {
          waited = channel_.TakeBytes(co_await channel_.AwaitBytes(timeout));
        }
        member_.idle = false;
      }
      if (waited) {
        if (waited == net::asio::error::operation_aborted) waited = co_await WaitForLastRequest();
        if (waited) co_return EndIdle(waited);
      }
      ++requests_;
      const bool more = co_await ServeOne();
      if (!more) co_return IdleConnection();
      channel_.FinishMessage();
    }
  }

 private:
  // No request has come, for `reason`: the connection is parked, or ends.
  IdleConnection EndIdle(net::error_code reason) {
    const bool timed_out = reason == net::asio::error::timed_out;
    if (timed_out && MayPark()) return {.stream = channel_.TakeStream(), .requests = requests_};
    if (timed_out) context_.limit_hits->Add(Limit::kKeepAliveTime);
    return {};
  }

  bool MayPark() const {
    return !context_.connections->closing() && !channel_.HasBytes() &&
           ParkedTimeout(*context_.listener) > Duration::zero();
  }

  Awaitable<net::error_code> WaitForLastRequest() {
    // Idle connections end now, but not one whose request is there or (if it was accepted as the
    // listener closed) is due: its client would see a reset.
    const bool first = requests_ == 0;
    if (!channel_.stream().is_open() ||
        (!first && !channel_.HasBytes() && !channel_.stream().HasNews())) {
      co_return net::asio::error::operation_aborted;
    }
    channel_.stream().ResumeReads();
    net::error_code waited;
    while (!waited && !channel_.HasMessage()) {
      waited = channel_.TakeBytes(co_await channel_.AwaitBytes(kFirstRequestGrace));
    }
    co_return waited;
  }

  // One request and its answer. True if another may follow on the connection.
  Awaitable<bool> ServeOne() {
    begin_ = context_.loop->now();
    RequestHead head;
    const message::HeadLimits limits = message::HeadLimitsOf(context_.pool->limits);
    channel_.BeginHead();
    auto there = channel_.TryReadHead(limits, head);
    if (!there) {
      there = co_await channel_.ReadHead(limits, begin_ + context_.listener->request_head_timeout,
                                         head);
    }
    Result<void>& read = *there;
    if (read) read = Check(head);
    read_ = context_.loop->now();
    RequestId generated;
    std::string_view request_id = head.request_id;
    if (request_id.empty()) {
      generated = context_.request_ids->Next();
      request_id = generated.view();
    }
    if (!read) {
      co_await Refuse(read.error(), head, request_id);
      co_return false;
    }
    Http1Exchange exchange(channel_, head, FactsOf(request_id));
    RequestRecord record;
    if (head.max_forwards == 0) {
      co_await AnswerOptions(exchange, record);
    } else {
      co_await context_.forwarder->Forward(exchange, read_, record);
    }
    record.bytes_in = exchange.bytes_in();
    record.bytes_out = exchange.bytes_out();
    Report(record, head, request_id);
    if (exchange.MayContinue()) co_return true;
    if (exchange.sent_answer() && !LeavesAtOnce(head)) {
      co_await Linger(LingerTimeAfter(record.error));
    }
    co_return false;
  }

  // The client has said close, so nothing follows (RFC 9112 section 9.6) that would destroy the
  // answer; behind a body some send an empty line. Two system calls and a turn less.
  bool LeavesAtOnce(const RequestHead& head) {
    return !head.keep_alive && head.minor_version == 1 && head.framing == message::Framing::kNone &&
           !channel_.HasBytes() && !channel_.stream().HadNews();
  }

  // True: the connection may serve no more requests behind this one.
  bool IsLastRequest() const {
    const std::uint64_t limit = context_.pool->limits.connection_requests;
    return limit != 0 && requests_ >= limit;
  }

  Http1Exchange::Facts FactsOf(std::string_view request_id) {
    if (IsLastRequest()) context_.limit_hits->Add(Limit::kConnectionRequests);
    return {.client_ip = client_ip_,
            .head = &outgoing_,
            .request_id = request_id,
            .direction = context_.listener->direction,
            .date = context_.date,
            .draining = context_.connections->draining_flag(),
            .last_request = IsLastRequest(),
            .settings = context_.pool};
  }

  // It may be forwarded no further (RFC 9110 section 7.6.2): the answer is ours.
  static Awaitable<> AnswerOptions(Http1Exchange& exchange, RequestRecord& record) {
    record.status = 200;
    const auto sent = co_await exchange.SendOptionsAnswer();
    record.answer_complete = sent.has_value();
    if (!sent) record.error = sent.error();
  }

  Result<void> Check(RequestHead& head) const {
    const LimitSettings& limits = context_.pool->limits;
    auto result = message::ApplyRequestRules(
        head, {.via_name = context_.via_name, .underscores = context_.listener->underscores});
    if (result && limits.body_bytes != 0 && head.length > limits.body_bytes) {
      result = FailAt(Limit::kBodyBytes, ErrorKind::kRequestTooLarge, Side::kDownstream,
                      "Content-Length is greater than body_bytes");
    }
    return result;
  }

  // Answers a request that never came to be one.
  Awaitable<> Refuse(const ProxyError& error, const RequestHead& head,
                     std::string_view request_id) {
    RequestRecord record;
    record.error = error;
    context_.limit_hits->Add(error.limit);
    if (error.kind == ErrorKind::kClientClosed) {
      Report(record, head, request_id);
      co_return;
    }
    record.status = Describe(error.kind).status;
    Http1Exchange exchange(channel_, head, FactsOf(request_id));
    const auto sent = co_await exchange.SendError(error);
    record.answer_complete = sent.has_value();
    Report(record, head, request_id);
    if (sent) co_await Linger(LingerTimeAfter(error));
  }

  static Duration LingerTimeAfter(const std::optional<ProxyError>& error) {
    const bool slow = error && error->kind == ErrorKind::kRequestTimeout;
    return slow ? kSlowLingerTime : kLingerTime;
  }

  Awaitable<> Linger(Duration limit) {
    net::Stream& stream = channel_.stream();
    stream.ResumeReads();
    stream.ShutdownSend();
    const TimePoint deadline = Clock::now() + limit;
    std::array<char, 2048> scrap;
    for (std::size_t total = 0; total < kLingerBytes && Clock::now() < deadline;) {
      const net::IoResult result = co_await stream.Read(scrap, deadline - Clock::now());
      if (result.error) co_return;
      total += result.bytes;
    }
  }

  // Once a request, when the last byte of its answer has been sent or given up.
  void Report(RequestRecord& record, const RequestHead& head, std::string_view request_id) {
    record.begin = begin_;
    record.read = read_;
    record.end = Clock::now();
    record.client = client_ip_;
    record.method = head.method;
    record.authority = head.authority;
    record.path = head.path.substr(0, head.path.find('?'));
    record.minor_version = head.minor_version;
    record.request_id = request_id;
    if (context_.reporter->logs()) record.trace_id = message::TraceId(head);
    context_.reporter->Report(record);
  }

  const SessionContext context_;
  http1::Channel channel_;
  ConnectionSet::Member member_;
  std::string client_ip_;
  std::string outgoing_;    // the head of an answer
  std::uint64_t requests_;  // begun
  // Of the request that is served.
  TimePoint begin_;  // its first byte was there
  TimePoint read_;   // its head was complete, or given up
};

}  // namespace

Awaitable<IdleConnection> ServeHttp1(SessionContext context, IdleConnection connection) {
  Http1Session session(context, std::move(connection));
  co_return co_await session.Run();
}

Duration ParkedTimeout(const ListenerSettings& listener) {
  return listener.keep_alive_timeout - kParkAfter;
}

}  // namespace remora::proxy
