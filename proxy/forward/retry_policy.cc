#include "proxy/forward/retry_policy.h"

namespace remora::proxy {

bool MayRetry(const ProxyError& error, const RetryFacts& facts) {
  if (error.side != Side::kUpstream || !facts.replayable || facts.retries >= kMaxRetries) {
    return false;
  }
  if (error.sent == Sent::kNothing) return true;
  const bool closed_on_us =
      error.kind == ErrorKind::kUpstreamClosedEarly || error.kind == ErrorKind::kUpstreamReset;
  return error.sent == Sent::kMaybe && closed_on_us && facts.reused && facts.idempotent;
}

}  // namespace remora::proxy
