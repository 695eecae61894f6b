#include "server/admin/http_server.h"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/rate_policy.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proxy/base/abseil.h"
#include "proxy/base/log.h"
#include "proxy/base/socket_address.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using proxy::net::AsioAwaitable;
using proxy::net::error_code;
using proxy::net::Executor;
using proxy::net::kAwait;
using proxy::net::kNoThrow;
using Stream = beast::basic_stream<tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;
using Parser = http::request_parser<http::buffer_body>;
using Response = http::response<http::string_body>;

// Accepting fails for want of descriptors or memory; nothing but time brings them back.
constexpr std::chrono::milliseconds kAcceptBackOff{100};

std::string_view ToStd(beast::string_view text) { return {text.data(), text.size()}; }

Response MakeResponse(const HttpAnswer& answer, unsigned version, bool keep_alive, bool head) {
  Response response(static_cast<http::status>(answer.status), version);
  response.set(http::field::content_type, answer.content_type);
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
  for (const auto& [name, value] : answer.fields) response.set(name, value);
  response.keep_alive(keep_alive);
  // RFC 9110 section 15.4.5: a 304 has no body, and a length would be that of the 200.
  if (response.result() == http::status::not_modified) return response;
  response.content_length(answer.body.size());
  if (!head) response.body() = answer.body;
  return response;
}

// The body of a stream ends with its connection, so it needs no chunks.
http::response<http::empty_body> MakeStreamHead(const HttpAnswer& answer, unsigned version) {
  http::response<http::empty_body> response(http::status::ok, version);
  response.set(http::field::content_type, "text/event-stream; charset=utf-8");
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : answer.fields) response.set(name, value);
  response.keep_alive(false);
  return response;
}

// Where two of them disagree, a check of one says nothing about the other.
bool HasRepeatedField(const Parser::value_type& request) {
  return std::ranges::any_of(
      std::array{http::field::host, http::field::origin, http::field::content_type},
      [&](http::field name) { return request.count(name) > 1; });
}

// The views last as long as `request` and `body`.
HttpRequest MakeRequest(const Parser::value_type& request, std::string_view body) {
  const std::string_view target = ToStd(request.target());
  const std::size_t mark = std::min(target.find('?'), target.size());
  HttpRequest made{.method = ToStd(request.method_string()),
                   .path = target.substr(0, mark),
                   .query = target.substr(std::min(mark + 1, target.size())),
                   .body = body};
  made.host = ToStd(request[http::field::host]);
  made.origin = ToStd(request[http::field::origin]);
  made.accept = ToStd(request[http::field::accept]);
  made.accept_encoding = ToStd(request[http::field::accept_encoding]);
  made.content_type = ToStd(request[http::field::content_type]);
  made.if_none_match = ToStd(request[http::field::if_none_match]);
  made.last_event_id = ToStd(request["Last-Event-ID"]);
  made.sec_fetch_site = ToStd(request["Sec-Fetch-Site"]);
  return made;
}

// The answer to a head or body that could not be read; nullopt where nobody waits for one.
std::optional<HttpAnswer> AnswerToError(error_code error) {
  if (error == http::error::header_limit)
    return HttpAnswer{.status = 431, .body = "head too large\n"};
  if (error == http::error::body_limit)
    return HttpAnswer{.status = 413, .body = "body too large\n"};
  const bool syntax = error.category() == http::make_error_code(http::error::bad_method).category();
  if (!syntax || error == http::error::end_of_stream || error == http::error::partial_message) {
    return std::nullopt;
  }
  return HttpAnswer{.status = 400, .body = "bad request\n"};
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(proxy::net::AsioLoop& loop, std::string name, HttpServerLimits limits, Handler handler)
      : loop_(loop),
        name_(std::move(name)),
        limits_(limits),
        handler_(std::move(handler)),
        acceptor_(loop.executor()),
        back_off_(loop.executor()) {}

  absl::Status Bind(std::string_view address) {
    const std::optional<IpPort> parsed = ParseIpPort(address);
    if (!parsed) {
      return absl::InvalidArgumentError(absl::StrCat("cannot bind ", name_, " ", ToAbsl(address),
                                                     ": write ip:port, such as 127.0.0.1:3002"));
    }
    const tcp::endpoint endpoint(asio::ip::make_address(parsed->ip), parsed->port);
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (error) {
      return absl::ErrnoToStatus(
          error.value(),
          absl::StrFormat("cannot bind %s %s: stop the process that uses it or choose "
                          "another address",
                          name_, ToAbsl(address)));
    }
    const tcp::endpoint bound = acceptor_.local_endpoint();
    address_ = proxy::SocketAddress(bound.data(), static_cast<socklen_t>(bound.size())).ToString();
    return absl::OkStatus();
  }

  const std::string& address() const { return address_; }
  std::uint64_t streams_cut() const { return streams_cut_; }

  void Start() {
    asio::co_spawn(loop_.executor(), Listen(),
                   [this](const std::exception_ptr& error) { LogIfFailed(error); });
  }

  void Stop() {
    error_code ignored;
    acceptor_.close(ignored);
    back_off_.cancel();
    stopped_ = true;
    // A session removes itself later, on the loop, so the list does not change below us.
    for (Session* session : sessions_) session->stream.close();
  }

 private:
  struct Session {
    Stream stream;
    std::string peer = {};
    bool peer_is_loopback = false;
    std::uint16_t local_port = 0;
    std::string body = {};   // of the request that is served
    bool has_asked = false;  // has sent a full request
  };

  AsioAwaitable<> Listen() {
    while (!stopped_) {
      error_code error;
      auto socket = co_await acceptor_.async_accept(asio::redirect_error(kAwait, error));
      if (stopped_) break;
      if (error) {
        log::Warn("cannot accept", {{"socket", name_}, {"error", error.message()}});
        back_off_.expires_after(kAcceptBackOff);
        co_await back_off_.async_wait(kNoThrow);
        continue;
      }
      // Beyond the limit, and where nobody can be sent away, the socket is closed here and now.
      if (sessions_.size() >= limits_.connections && !EvictSilent()) continue;
      asio::co_spawn(loop_.executor(), Serve(Stream(std::move(socket))),
                     [this](const std::exception_ptr& failure) { LogIfFailed(failure); });
    }
  }

  // Closes the oldest connection that has not sent a full request, so that those who only hold
  // connections can't keep out those who ask. False where there is none.
  bool EvictSilent() {
    const auto silent =
        std::ranges::find_if(sessions_, [](const Session* one) { return !one->has_asked; });
    if (silent == sessions_.end()) return false;
    (*silent)->stream.close();
    // Its coroutine ends later; the place is free now.
    sessions_.erase(silent);
    return true;
  }

  // Owns one connection from accept to close.
  AsioAwaitable<> Serve(Stream stream) {
    Session session{.stream = std::move(stream)};
    NameEnds(session);
    struct Registration {
      std::list<Session*>& sessions;
      Session* session;
      Registration(std::list<Session*>& all, Session* one) : sessions(all), session(one) {
        sessions.push_back(one);
      }
      ~Registration() { sessions.remove(session); }
    } registration(sessions_, &session);
    beast::flat_buffer buffer(limits_.head_bytes + 4096);
    bool more = !stopped_;
    while (more) more = co_await ServeOne(session, buffer);
    error_code ignored;
    session.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  // One request and its answer; false when the connection ends with it.
  AsioAwaitable<bool> ServeOne(Session& session, beast::flat_buffer& buffer) {
    Stream& stream = session.stream;
    Parser parser;
    parser.header_limit(limits_.head_bytes);
    parser.body_limit(limits_.body_bytes);
    // The wait for a first byte and the exchange have limits of their own.
    if (buffer.size() == 0) {
      stream.expires_after(limits_.idle);
      const auto [error, bytes] = co_await stream.async_read_some(buffer.prepare(4096), kNoThrow);
      if (error) co_return false;
      buffer.commit(bytes);
    }
    stream.expires_after(limits_.exchange);
    error_code error = co_await ReadRequest(session, buffer, parser);
    const Parser::value_type& request = parser.get();
    std::optional<HttpAnswer> answer;
    if (error) {
      answer = AnswerToError(error);
      if (!answer) co_return false;
    } else {
      session.has_asked = true;
      answer = Answer(session, request);
    }
    if (answer->stream) {
      co_await ServeStream(stream, *answer, request.version());
      co_return false;
    }
    const bool keep_alive = !error && request.keep_alive() && !stopped_;
    const bool head = request.method() == http::verb::head;
    Response response = MakeResponse(*answer, request.version(), keep_alive, head);
    const auto [write_error, written] = co_await http::async_write(stream, response, kNoThrow);
    co_return keep_alive && !write_error;
  }

  HttpAnswer Answer(const Session& session, const Parser::value_type& request) {
    if (HasRepeatedField(request)) return {.status = 400, .body = "repeated field\n"};
    HttpRequest made = MakeRequest(request, session.body);
    made.peer = session.peer;
    made.peer_is_loopback = session.peer_is_loopback;
    made.local_port = session.local_port;
    HttpAnswer answer = handler_(made);
    if (request.method() == http::verb::head) answer.stream = nullptr;
    if (answer.stream && streams_ >= limits_.streams) {
      return {.status = 503,
              .body = "too many streams of events are open; close one, or try again later\n",
              .fields = {{"Retry-After", "5"}}};
    }
    return answer;
  }

  // Owns one stream of events from its head to its end.
  AsioAwaitable<> ServeStream(Stream& stream, const HttpAnswer& answer, unsigned version) {
    const Count count(streams_);
    auto head = MakeStreamHead(answer, version);
    const auto [head_error, head_bytes] = co_await http::async_write(stream, head, kNoThrow);
    if (head_error || stopped_) co_return;
    const auto events = std::make_shared<EventStream>(loop_);
    // A reader of events says nothing any more: what comes is its end, or the close by Stop.
    stream.socket().async_wait(tcp::socket::wait_read, [events](error_code) { events->Close(); });
    answer.stream(events);
    while (!events->closed()) {
      std::string text = co_await events->Next(limits_.heartbeat);
      if (events->closed()) break;
      if (text.empty()) text = ":\n\n";
      stream.expires_after(limits_.exchange);
      const auto [error, bytes] = co_await asio::async_write(stream, asio::buffer(text), kNoThrow);
      if (error) break;
    }
    if (events->cut()) {
      ++streams_cut_;
      log::Warn("a stream of events was cut: its reader is too slow", {{"socket", name_}});
    }
    events->Close();
  }

  struct Count {
    std::size_t& count;
    explicit Count(std::size_t& of) : count(of) { ++count; }
    Count(const Count&) = delete;
    Count& operator=(const Count&) = delete;
    ~Count() { --count; }
  };

  static void NameEnds(Session& session) {
    error_code error;
    const tcp::endpoint peer = session.stream.socket().remote_endpoint(error);
    if (error) return;
    const proxy::SocketAddress address(peer.data(), static_cast<socklen_t>(peer.size()));
    session.peer = address.ToString();
    session.peer_is_loopback = address.IsLoopback();
    session.local_port = session.stream.socket().local_endpoint(error).port();
  }

  // The head, then the body piece by piece.
  AsioAwaitable<error_code> ReadRequest(Session& session, beast::flat_buffer& buffer,
                                        Parser& parser) {
    Stream& stream = session.stream;
    session.body.clear();
    const auto [head_error, head_bytes] =
        co_await http::async_read_header(stream, buffer, parser, kNoThrow);
    if (head_error) co_return head_error;
    if (!parser.is_done() && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      http::response<http::empty_body> go_on(http::status::continue_, parser.get().version());
      const auto [error, bytes] = co_await http::async_write(stream, go_on, kNoThrow);
      if (error) co_return error;
    }
    std::array<char, 4096> piece;
    while (!parser.is_done()) {
      parser.get().body() = {.data = piece.data(), .size = piece.size(), .more = true};
      const auto [error, bytes] = co_await http::async_read_some(stream, buffer, parser, kNoThrow);
      if (error && error != http::error::need_buffer) co_return error;
      // What is left of the room was not filled.
      const std::size_t filled = piece.size() - parser.get().body().size;
      if (limits_.keep_bodies) session.body.append(piece.data(), filled);
    }
    co_return error_code();
  }

  void LogIfFailed(const std::exception_ptr& error) const {
    if (!error) return;
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& failure) {
      log::Error("a session failed", {{"socket", name_}, {"error", failure.what()}});
    }
  }

  proxy::net::AsioLoop& loop_;
  const std::string name_;
  const HttpServerLimits limits_;
  const Handler handler_;
  Acceptor acceptor_;
  proxy::net::AsioTimer back_off_;
  std::string address_;
  std::list<Session*> sessions_;  // the oldest first
  std::size_t streams_ = 0;
  std::uint64_t streams_cut_ = 0;
  bool stopped_ = false;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() = default;

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Open(proxy::net::AsioLoop& loop,
                                                             std::string name,
                                                             std::string_view address,
                                                             HttpServerLimits limits,
                                                             Handler handler) {
  auto impl = std::make_unique<Impl>(loop, std::move(name), limits, std::move(handler));
  if (absl::Status status = impl->Bind(address); !status.ok()) return status;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const std::string& HttpServer::address() const { return impl_->address(); }

std::uint64_t HttpServer::streams_cut() const { return impl_->streams_cut(); }

void HttpServer::Start() { impl_->Start(); }

void HttpServer::Stop() { impl_->Stop(); }

}  // namespace remora::server
