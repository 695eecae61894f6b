#include "proxy/net/resolve.h"

#include <boost/asio/ip/tcp.hpp>

namespace remora::proxy::net {

Awaitable<std::expected<std::vector<SocketAddress>, error_code>> Resolve(Loop& loop,
                                                                         std::string host,
                                                                         std::uint16_t port) {
  asio::ip::basic_resolver<asio::ip::tcp, Executor> resolver(loop.executor());
  const auto flags = asio::ip::resolver_base::numeric_service;
  auto [error, results] =
      co_await resolver.async_resolve(host, std::to_string(port), flags, kNoThrow);
  if (error) co_return std::unexpected(error);
  std::vector<SocketAddress> addresses;
  for (const auto& entry : results) {
    const auto endpoint = entry.endpoint();
    addresses.emplace_back(endpoint.data(), static_cast<socklen_t>(endpoint.size()));
  }
  co_return addresses;
}

}  // namespace remora::proxy::net
