#include "cli/discovery/kubernetes_source.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/version.h"

namespace remora::cli::discovery {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Parser = http::response_parser<http::buffer_body>;

constexpr std::chrono::seconds kConnectTimeout{10};
constexpr std::chrono::seconds kAnswerTimeout{30};
// Bookmarks come every minute; whoever says nothing for longer may be gone without a word.
constexpr std::chrono::seconds kWatchTimeout{150};
// A watch that ends sooner without an event was ended by somebody who is busy, or going.
constexpr std::chrono::seconds kShortWatch{1};
constexpr std::size_t kMaxBody = 64UL * 1024 * 1024;

std::unexpected<std::string> Failed(const std::string& what, const error_code& error) {
  return std::unexpected(what + ": " + error.message());
}

// A peer that vanished is noticed within half a minute.
void KeepAlive(int socket) {
  const auto set = [socket](int level, int option, int value) {
    ::setsockopt(socket, level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

std::expected<void, std::string> TakeMaterial(ssl::context& context,
                                              const KubernetesAccess& access) {
  error_code error;
  if (access.authority.empty()) {
    context.set_default_verify_paths(error);
  } else {
    const auto authority = access.authority.Read();
    if (!authority) return std::unexpected(authority.error());
    context.add_certificate_authority(asio::buffer(*authority), error);
  }
  if (error) return Failed("the certificate authority can't be used", error);
  if (access.certificate.empty()) return {};
  const auto certificate = access.certificate.Read();
  if (!certificate) return std::unexpected(certificate.error());
  const auto key = access.key.Read();
  if (!key) return std::unexpected(key.error());
  context.use_certificate_chain(asio::buffer(*certificate), error);
  if (!error) context.use_private_key(asio::buffer(*key), ssl::context::pem, error);
  if (error) return Failed("the client certificate can't be used", error);
  return {};
}

}  // namespace

// A TLS connection to the API server.
class KubernetesSource::Connection {
 public:
  Connection(asio::io_context& io, const KubernetesAccess& access, ssl::context context)
      : access_(access), context_(std::move(context)), resolver_(io), stream_(io, context_) {}

  // With what the files have now.
  static std::expected<std::unique_ptr<Connection>, std::string> Make(
      asio::io_context& io, const KubernetesAccess& access) {
    ssl::context context(ssl::context::tls_client);
    context.set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                        ssl::context::no_tlsv1_1);
    context.set_verify_mode(ssl::verify_peer);
    if (auto taken = TakeMaterial(context, access); !taken) {
      return std::unexpected(std::move(taken.error()));
    }
    return std::make_unique<Connection>(io, access, std::move(context));
  }
  asio::awaitable<Result> Open() {
    error_code error;
    const auto addresses =
        co_await resolver_.async_resolve(access_.host, std::to_string(access_.port),
                                         asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return Failed("can't look up " + access_.host, error);
    tcp_stream().expires_after(kConnectTimeout);
    co_await tcp_stream().async_connect(addresses,
                                        asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return Failed("can't connect to the API server at " + Where(), error);
    KeepAlive(tcp_stream().socket().native_handle());
    const std::string& name = access_.server_name.empty() ? access_.host : access_.server_name;
    error_code not_an_address;
    asio::ip::make_address(name, not_an_address);
    if (not_an_address) {  // RFC 6066 section 3: no addresses in SNI
      SSL_set_tlsext_host_name(stream_.native_handle(), name.c_str());
    }
    stream_.set_verify_callback(ssl::host_name_verification(name), error);
    tcp_stream().expires_after(kConnectTimeout);
    co_await stream_.async_handshake(ssl::stream_base::client,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return Failed("no TLS with the API server at " + Where(), error);
    co_return Result();
  }

  asio::awaitable<Result> Send(const std::string& target) {
    http::request<http::empty_body> request(http::verb::get, target, 11);
    request.set(http::field::host, Where());
    request.set(http::field::user_agent, "remoractl/" + ClientVersion());
    request.set(http::field::accept, "application/json");
    if (!access_.token.empty()) {
      auto token = access_.token.Read();
      if (!token) co_return std::unexpected(std::move(token.error()));
      while (!token->empty() && (token->back() == '\n' || token->back() == ' ')) token->pop_back();
      request.set(http::field::authorization, "Bearer " + *token);
    }
    error_code error;
    tcp_stream().expires_after(kAnswerTimeout);
    co_await http::async_write(stream_, request, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return Failed("can't ask the API server", error);
    parser_.emplace();
    parser_->body_limit(boost::none);
    co_await http::async_read_header(stream_, buffer_, *parser_,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return Failed("no answer of the API server", error);
    co_return Result();
  }

  unsigned status() const { return parser_->get().result_int(); }
  bool keep_alive() const { return parser_->get().keep_alive(); }
  bool done() const { return parser_->is_done(); }

  // More of the body, as it comes; empty where it has ended.
  asio::awaitable<std::expected<std::string_view, std::string>> Read(std::chrono::seconds limit) {
    auto& body = parser_->get().body();
    while (!parser_->is_done()) {
      body.data = piece_.data();
      body.size = piece_.size();
      error_code error;
      tcp_stream().expires_after(limit);
      co_await http::async_read_some(stream_, buffer_, *parser_,
                                     asio::redirect_error(asio::use_awaitable, error));
      if (error && error != http::error::need_buffer) {
        co_return Failed("the API server ended the answer", error);
      }
      const std::size_t size = piece_.size() - body.size;
      if (size != 0) co_return std::string_view(piece_.data(), size);
    }
    co_return std::string_view();
  }

 private:
  beast::tcp_stream& tcp_stream() { return beast::get_lowest_layer(stream_); }
  std::string Where() const {
    const bool v6 = access_.host.find(':') != std::string::npos;
    return (v6 ? "[" + access_.host + "]" : access_.host) + ":" + std::to_string(access_.port);
  }

  const KubernetesAccess& access_;
  ssl::context context_;
  tcp::resolver resolver_;
  beast::ssl_stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::array<char, 16 * 1024> piece_{};
};

KubernetesSource::KubernetesSource(asio::io_context& io, KubernetesAccess access,
                                   const ServiceName& service, SliceRules rules,
                                   std::chrono::seconds resync, std::uint32_t seed,
                                   SourceReport report)
    : io_(io),
      access_(std::move(access)),
      rules_(std::move(rules)),
      report_(std::move(report)),
      watch_(access_.base_path, service.name_space, service.name, resync),
      backoff_(std::chrono::milliseconds(500), std::chrono::seconds(10), seed),
      pause_(io) {}

KubernetesSource::~KubernetesSource() = default;

std::uint64_t KubernetesSource::relists() const {
  return watch_.lists() == 0 ? 0 : watch_.lists() - 1;
}

void KubernetesSource::Start() {
  asio::co_spawn(
      io_, Run(),
      asio::bind_cancellation_slot(stop_.slot(), [this](const std::exception_ptr& error) {
        // Stop ends what is waited for by an exception; any other is a bug.
        if (error && !stopped_) std::rethrow_exception(error);
      }));
}

void KubernetesSource::Stop() {
  stopped_ = true;
  stop_.emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> KubernetesSource::Run() {
  while (!stopped_) {
    const std::uint64_t events = watch_.events();
    const Result ended = co_await Session();
    watch_.OnEnd();
    if (stopped_) co_return;
    // A watch that worked is a new beginning.
    if (watch_.events() != events) backoff_.Reset();
    // That it lists again is no news: what is known stays until the new list is there.
    if (!ended && !watch_.gone()) report_.away(ended.error());
    pause_.expires_after(backoff_.Next());
    error_code ignored;
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<KubernetesSource::Result> KubernetesSource::Session() {
  auto connection = Connection::Make(io_, access_);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  if (auto opened = co_await (*connection)->Open(); !opened) co_return opened;
  for (bool more = true; more && !stopped_;) {
    if (auto asked = co_await Ask(**connection); !asked) co_return asked;
    more = (*connection)->keep_alive() && !in_vain_;
  }
  co_return Result();
}

asio::awaitable<KubernetesSource::Result> KubernetesSource::Ask(Connection& connection) {
  const Clock::time_point asked = Clock::now();
  const std::uint64_t events = watch_.events();
  const SliceWatch::Request request = watch_.Next(asked);
  in_vain_ = false;
  if (auto sent = co_await connection.Send(request.target); !sent) co_return sent;
  const bool stream = request.watch && connection.status() == 200;
  // The answer to a watch proves that what was found is still right.
  if (stream) {
    told_ = 0;
    if (auto told = Tell(); !told) co_return told;
  }
  std::string document;
  for (;;) {
    const auto piece = co_await connection.Read(stream ? kWatchTimeout : kAnswerTimeout);
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    if (!stream) {
      document += *piece;
      if (document.size() > kMaxBody) {
        co_return std::unexpected("a list of the API server is too long");
      }
      continue;
    }
    if (auto taken = watch_.OnBytes(*piece); !taken) co_return taken;
    if (auto told = Tell(); !told) co_return told;
  }
  if (stream) {
    watch_.OnEnd();
    in_vain_ = watch_.events() == events && Clock::now() - asked < kShortWatch;
    co_return Result();
  }
  if (auto taken = watch_.OnAnswer(connection.status(), document, Clock::now()); !taken) {
    co_return taken;
  }
  co_return Tell();
}

KubernetesSource::Result KubernetesSource::Tell() {
  if (!watch_.slices() || watch_.generation() == told_) return {};
  told_ = watch_.generation();
  auto servers = ServersOf(*watch_.slices(), rules_);
  if (!servers) {
    report_.away("the Service " + std::move(servers.error()));
    return {};
  }
  report_.found(*std::move(servers));
  return {};
}

}  // namespace remora::cli::discovery
