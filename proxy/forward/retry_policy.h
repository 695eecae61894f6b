// May a request that failed be tried again, elsewhere? Pure.
#pragma once

#include <cstdint>

#include "proxy/base/error.h"

namespace remora::proxy {

struct RetryFacts {
  bool idempotent = false;
  bool replayable = false;    // all of the body sent so far is still in memory
  bool reused = false;        // the connection had carried a request before
  std::uint32_t retries = 0;  // made so far
};

inline constexpr std::uint32_t kMaxRetries = 2;

// Yes, if the backend can't have seen the request; or if a kept-alive connection turned out to be
// closed before a byte of the answer came (a race that HTTP/1 has by design, RFC 9112 section
// 9.3.1), and doing it twice is harmless.
bool MayRetry(const ProxyError& error, const RetryFacts& facts);

}  // namespace remora::proxy
