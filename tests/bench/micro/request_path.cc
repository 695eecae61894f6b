#include "tests/bench/micro/request_path.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "proxy/message/rules.h"
#include "proxy/message/serialize.h"
#include "proxy/message/trace_context.h"

namespace remora::bench {

namespace message = proxy::message;
using message::RequestHead;
using message::ResponseHead;
using proxy::Clock;
using proxy::Result;
using proxy::TimePoint;

namespace {

constexpr std::string_view kViaName = "remora-0123456789abcdef";
constexpr std::string_view kClient = "192.0.2.17";

template <class T>
T& OrDie(Result<T>& result) {
  if (result) return *result;
  std::fprintf(stderr, "the path refused: %s\n", std::string(result.error().detail).c_str());
  std::abort();
}

void OrDie(const Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "the path refused: %s\n", std::string(result.error().detail).c_str());
  std::abort();
}

void AddFields(std::size_t from, std::size_t to, std::string& head) {
  for (std::size_t i = from; i < to; ++i) {
    const std::string number = std::to_string(100 + i);
    head +=
        "X-Application-" + number + ": some value of no great length, number " + number + "\r\n";
  }
  head += "\r\n";
}

}  // namespace

std::string RequestBytes(std::size_t fields, bool identified) {
  std::string head =
      "GET /catalog/items/4711?color=green&size=xl HTTP/1.1\r\n"
      "Host: shop.example:8080\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
      "Accept-Language: en-US,en;q=0.5\r\n"
      "Accept-Encoding: gzip, deflate, br\r\n"
      "Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\r\n"
      "Cache-Control: no-cache\r\n"
      "Referer: http://shop.example:8080/catalog\r\n";
  head += identified ? "X-Request-ID: 0b0e7a3e-8f7c-4d63-9a55-3a4f6c2c1d5e\r\n"
                     : "Connection: keep-alive\r\n";
  AddFields(9, fields, head);
  return head;
}

std::string ResponseBytes(std::size_t fields) {
  std::string head =
      "HTTP/1.1 200 OK\r\n"
      "Server: nginx/1.22.1\r\n"
      "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Content-Type: text/html; charset=utf-8\r\n"
      "Content-Length: 2\r\n"
      "Last-Modified: Sat, 05 Nov 1994 10:00:00 GMT\r\n"
      "Connection: keep-alive\r\n"
      "Vary: Accept-Encoding\r\n"
      "ETag: \"2ebb6b6c-2\"\r\n"
      "Cache-Control: private, max-age=0\r\n"
      "Accept-Ranges: bytes\r\n";
  AddFields(10, fields, head);
  return head;
}

Backends::Backends(std::size_t count, proxy::ServerTable& table) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::string id = "127.0.0.1:" + std::to_string(9000 + i);
    proxy::BackendUrl url{.host = "127.0.0.1",
                          .port = static_cast<std::uint16_t>(9000 + i),
                          .unix_path = {},
                          .prefix = {}};
    set_.backends.push_back(
        std::make_shared<proxy::Backend>("default", id, "uid-" + id, std::move(url), &events_,
                                         table.Add("default", id, TimePoint())));
    set_.eligible.push_back({set_.backends.back().get(), 1, 0});
  }
  set_.max_weight = 1;
  set_.total = count;
}

RequestPath::RequestPath(const Options& options)
    : request_(RequestBytes(options.request_fields)),
      response_(ResponseBytes(options.response_fields)),
      metrics_({"default"}, 1),
      backends_(std::make_unique<Backends>(options.backends, metrics_.servers())) {
  if (options.access_log) {
    auto opened = proxy::AccessLog::Open({.sample = 1, .path = "/dev/null"}, false);
    if (!opened.ok()) std::abort();
    access_log_ = std::move(*opened);
  }
  reporter_ = std::make_unique<proxy::Reporter>("default", 0, metrics_.worker(0).pools[0],
                                                access_log_.get());
}

void RequestPath::ReadRequest(RequestHead& head) {
  request_scanner_.Reset();
  auto parsed = message::ParseRequestHead(request_scanner_, request_, limits_, head);
  if (!OrDie(parsed)) std::abort();
  OrDie(message::ApplyRequestRules(head, {.via_name = kViaName}));
}

void RequestPath::WriteRequest(const RequestHead& head, const proxy::Backend& backend,
                               std::string_view request_id) {
  upstream_head_.clear();
  message::AppendRequestHead(head,
                             {.prefix = backend.url().prefix,
                              .host = {},
                              .client_ip = kClient,
                              .request_id = request_id,
                              .via_name = kViaName},
                             upstream_head_);
}

void RequestPath::ReadResponse(const RequestHead& request, ResponseHead& head) {
  response_scanner_.Reset();
  auto parsed = message::ParseResponseHead(response_scanner_, response_, limits_, head);
  if (!OrDie(parsed)) std::abort();
  OrDie(message::ApplyResponseRules(request, head));
}

void RequestPath::WriteResponse(const RequestHead& request, const ResponseHead& head,
                                std::string_view request_id) {
  std::string downstream_head;  // the exchange's, new with each
  message::AppendResponseHead(
      head,
      {.request_id = request_id,
       .date = date_.Now(),
       .framing = message::FramingTowards(request.minor_version, head.framing),
       .close = false,
       .trailers = request.wants_trailers},
      downstream_head);
}

void RequestPath::Run() {
  proxy::RequestRecord record;
  record.begin = Clock::now();
  RequestHead head;
  ReadRequest(head);
  record.read = Clock::now();
  proxy::RequestId generated;
  record.request_id = head.request_id;
  if (record.request_id.empty()) {
    generated = request_ids_.Next();
    record.request_id = generated.view();
  }

  auto picked = balancer_.Pick(backends_->set(), {});
  const proxy::ActiveRequest active = std::move(OrDie(picked));
  const proxy::Backend& backend = *active.backend();
  record.first_pick = record.read;
  record.server = backend.id();
  record.counters = backend.counters();
  record.attempts = 1;
  record.active_at_pick = backend.admission().Load().active();
  reporter_->CountPick(record.counters.get());
  const TimePoint connected = Clock::now();
  record.connect = connected - record.first_pick;
  WriteRequest(head, backend, record.request_id);

  ResponseHead answer;
  ReadResponse(head, answer);
  const TimePoint answered = Clock::now();
  record.first_byte = answered - connected;
  reporter_->CountAnswer(record.counters.get(), answered - record.first_pick);
  record.status = answer.status;
  WriteResponse(head, answer, record.request_id);

  record.answer_complete = true;
  record.bytes_out = 2;
  record.end = Clock::now();
  record.client = kClient;
  record.method = head.method;
  record.authority = head.authority;
  record.path = head.path.substr(0, head.path.find('?'));
  record.minor_version = head.minor_version;
  if (reporter_->logs()) record.trace_id = message::TraceId(head);
  reporter_->Report(record);
}

}  // namespace remora::bench
