// The limits of the data plane that a request or a connection can hit.
//
// `Name` is the key of the configuration where there is one, and the label `limit` of the metric
// remora_limit_hits_total. Values only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace remora::proxy {

enum class Limit : std::uint8_t {
  kNone,
  // of a message
  kHeadBytes,
  kHeadFields,
  kRequestLine,
  kMethod,
  kBodyBytes,
  kChunkExtensions,
  kTrailers,
  kInterimResponses,
  // of time
  kRequestHeadTime,
  kKeepAliveTime,
  kIdleTime,
  kResponseHeadTime,
  kConnectTime,
  kTunnelTime,
  // of numbers
  kConnectionRequests,
  kConnections,
  kDescriptors,
  kMaxActive,
};

inline constexpr std::size_t kLimitCount = static_cast<std::size_t>(Limit::kMaxActive) + 1;

// snake_case, stable; "none" for kNone.
std::string_view Name(Limit limit);

}  // namespace remora::proxy
