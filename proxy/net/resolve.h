// A name look-up (hosts file and DNS, as the C library does it), without blocking the loop.
// Only on a loop with Locking::kFull.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "proxy/base/socket_address.h"
#include "proxy/net/executor.h"
#include "proxy/net/loop.h"

namespace remora::proxy::net {

Awaitable<std::expected<std::vector<SocketAddress>, error_code>> Resolve(Loop& loop,
                                                                         std::string host,
                                                                         std::uint16_t port);

}  // namespace remora::proxy::net
