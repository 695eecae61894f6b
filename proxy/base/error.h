// What can go wrong with a request, and the one table that turns it into an answer.
//
// A ProxyError says which side failed and how much of the request had been sent: whether it may be
// tried elsewhere is read off the type, never guessed. Values only, no threads, no lifetime rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

#include "proxy/base/limit.h"

namespace remora::proxy {

// The one list of reasons. Error bodies, access log and metrics use `Describe(kind).reason`.
enum class ErrorKind : std::uint8_t {
  kBadRequest,             // syntax or framing of the request
  kMethodNotAllowed,       // CONNECT and TRACE
  kRequestTimeout,         // the client was too slow with head or body
  kRequestTooLarge,        // body limit
  kUriTooLong,             // request line
  kHeadersTooLarge,        // head bytes or fields
  kExpectationFailed,      // Expect other than 100-continue
  kUnknownTransferCoding,  // something else than `chunked`
  kMethodTooLong,
  kVersionNotSupported,  // HTTP/2.0 in a request line and the like
  kLoopDetected,         // the request has been here before
  kNoServers,            // the pool is empty
  kNoHealthyServer,      // none may be picked
  kQueueFull,            // every healthy server is at max_active
  kConnectFailed,        // refused, unreachable, name not resolved
  kConnectTimeout,
  kUpstreamClosedEarly,  // end of stream in or before the answer
  kUpstreamReset,        // connection reset, broken pipe
  kUpstreamTimeout,      // no answer, or no progress in it
  kUpstreamBadResponse,  // the answer is not HTTP/1 as we accept it
  kClientClosed,         // nobody is there to answer
  kDraining,             // this process ends
  kOverloaded,           // a limit of our own: descriptors, memory
};

inline constexpr std::size_t kErrorKindCount = static_cast<std::size_t>(ErrorKind::kOverloaded) + 1;

enum class Side : std::uint8_t { kDownstream, kUpstream, kProxy };

// How much of the request the backend can have seen.
enum class Sent : std::uint8_t {
  kNothing,  // certainly not a byte
  kMaybe,    // written to a connection on which no byte of an answer came
  kAnswered  // at least one byte of the answer was read
};

struct ProxyError {
  ErrorKind kind = ErrorKind::kBadRequest;
  Side side = Side::kProxy;
  Sent sent = Sent::kNothing;
  // Static text for the log and the error body: what exactly was wrong. Never peer input.
  std::string_view detail = {};
  Limit limit = Limit::kNone;  // the limit that was hit, if it was one
};

template <class T>
using Result = std::expected<T, ProxyError>;

struct ErrorAnswer {
  std::string_view reason;  // snake_case, stable
  unsigned status;          // HTTP status of the proxy's own answer; 499 is never sent
  bool close;               // the downstream connection can't be used again
  bool retry_after;         // the answer carries Retry-After: 1
};

// The table. Total over ErrorKind.
ErrorAnswer Describe(ErrorKind kind);

inline std::unexpected<ProxyError> Fail(ErrorKind kind, Side side, std::string_view detail = {},
                                        Sent sent = Sent::kNothing) {
  return std::unexpected(ProxyError{.kind = kind, .side = side, .sent = sent, .detail = detail});
}

// As Fail, because `limit` was hit.
inline std::unexpected<ProxyError> FailAt(Limit limit, ErrorKind kind, Side side,
                                          std::string_view detail, Sent sent = Sent::kNothing) {
  return std::unexpected(
      ProxyError{.kind = kind, .side = side, .sent = sent, .detail = detail, .limit = limit});
}

}  // namespace remora::proxy
