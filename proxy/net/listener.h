// A listening TCP socket of one worker. With `share_port`, several (SO_REUSEPORT) take turns on the
// same port and the kernel spreads connections over them.
//
// Threads: Open on any thread, the rest on the loop's. Lifetime: outlives a pending Accept, which
// ends with operation_aborted after Close.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "proxy/base/socket_address.h"
#include "proxy/net/executor.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"

namespace remora::proxy::net {

// "127.0.0.1:3000", "[::1]:0". INVALID_ARGUMENT says what is allowed.
absl::StatusOr<SocketAddress> ParseListenAddress(std::string_view text);

class Listener {
 public:
  static absl::StatusOr<std::unique_ptr<Listener>> Open(Loop& loop, const SocketAddress& address,
                                                        bool share_port);

  SocketAddress address() const;

  // The next connection. Errors other than operation_aborted are of passing nature (descriptor
  // exhaustion, a client that left): wait a little and accept again.
  Awaitable<std::expected<Socket, error_code>> Accept();

  // A connection that is waiting already; nullopt if none is.
  std::optional<Socket> TryAccept();

  void Close();

 private:
  using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
  Listener(Loop& loop, Acceptor acceptor) : loop_(loop), acceptor_(std::move(acceptor)) {}

  Loop& loop_;
  Acceptor acceptor_;
};

}  // namespace remora::proxy::net
