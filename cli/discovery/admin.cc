#include "cli/discovery/admin.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "cli/address.h"

namespace remora::cli::discovery {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kMostConnections = 16;
constexpr std::chrono::seconds kRequestTimeout{5};
constexpr std::uint32_t kMaxHead = 8 * 1024;

std::optional<tcp::endpoint> ParseEndpoint(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  error_code error;
  const auto ip = asio::ip::make_address(host, error);
  const std::string port = address.substr(colon + 1);
  if (error || port.empty() || port.size() > 5) return std::nullopt;
  if (port.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  const int number = std::stoi(port);
  if (number > 65535) return std::nullopt;
  return tcp::endpoint(ip, static_cast<std::uint16_t>(number));
}

http::response<http::string_body> Answer(const http::request<http::empty_body>& request,
                                         const Admin::Handler& handler) {
  const bool head = request.method() == http::verb::head;
  AdminAnswer answer{.status = 405, .body = "only GET and HEAD\n"};
  if (head || request.method() == http::verb::get) {
    const auto target = request.target();
    answer = handler(std::string_view(target.data(), std::min(target.find('?'), target.size())));
  }
  http::response<http::string_body> response(static_cast<http::status>(answer.status),
                                             request.version());
  response.set(http::field::content_type, answer.content_type);
  response.set(http::field::cache_control, "no-store");
  response.keep_alive(request.keep_alive());
  response.content_length(answer.body.size());
  if (!head) response.body() = std::move(answer.body);
  return response;
}

}  // namespace

Admin::Admin(asio::io_context& io, Handler handler)
    : io_(io), handler_(std::move(handler)), acceptor_(io) {}

Outcome Admin::Bind(const std::string& address) {
  const auto endpoint = ParseEndpoint(address);
  if (!endpoint) {
    return std::unexpected(Failure{.exit = ExitCode::kUsage,
                                   .message = "'" + address + "' is not an address for --admin",
                                   .hint = "write ip:port, such as 127.0.0.1:3003, or none"});
  }
  error_code error;
  acceptor_.open(endpoint->protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(*endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) return {};
  return std::unexpected(
      Failure{.exit = ExitCode::kUnavailable,
              .message = "can't bind " + address + ": " + error.message(),
              .hint = "end the process that uses it, or choose another with --admin"});
}

std::string Admin::address() const {
  const tcp::endpoint bound = acceptor_.local_endpoint();
  const std::string ip = bound.address().to_string();
  return (bound.address().is_v6() ? "[" + ip + "]" : ip) + ":" + std::to_string(bound.port());
}

void Admin::Start() {
  // What a connection throws ends with that connection.
  asio::co_spawn(io_, Listen(), [](const std::exception_ptr&) {});
}

void Admin::Stop() {
  error_code ignored;
  acceptor_.close(ignored);
  for (Socket* socket : open_) socket->close(ignored);
}

asio::awaitable<void> Admin::Listen() {
  asio::steady_timer pause(io_);
  while (acceptor_.is_open()) {
    error_code error;
    Socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!acceptor_.is_open()) co_return;
    if (error) {  // out of descriptors: only time brings them back
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    if (open_.size() >= kMostConnections) continue;
    asio::co_spawn(io_, Serve(std::move(socket)), [](const std::exception_ptr&) {});
  }
}

asio::awaitable<void> Admin::Serve(Socket accepted) {
  beast::tcp_stream stream(std::move(accepted));
  struct Listed {
    std::set<Socket*>& open;
    Socket* socket;
    Listed(std::set<Socket*>& in, Socket* one) : open(in), socket(one) { open.insert(socket); }
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;
    ~Listed() { open.erase(socket); }
  };
  const Listed listed(open_, &stream.socket());
  beast::flat_buffer buffer(kMaxHead);
  for (bool more = true; more;) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(kMaxHead);
    error_code error;
    stream.expires_after(kRequestTimeout);
    co_await http::async_read(stream, buffer, parser,
                              asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    auto response = Answer(parser.get(), handler_);
    co_await http::async_write(stream, response, asio::redirect_error(asio::use_awaitable, error));
    more = !error && response.keep_alive();
  }
}

}  // namespace remora::cli::discovery
