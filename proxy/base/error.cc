#include "proxy/base/error.h"

namespace remora::proxy {

ErrorAnswer Describe(ErrorKind kind) {
  switch (kind) {
      // clang-format off
    //                                          reason                     status close  retry_after
    case ErrorKind::kBadRequest:            return {"bad_request",             400, true,  false};
    case ErrorKind::kMethodNotAllowed:      return {"method_not_allowed",      405, true,  false};
    case ErrorKind::kRequestTimeout:        return {"request_timeout",         408, true,  false};
    case ErrorKind::kRequestTooLarge:       return {"request_too_large",       413, true,  false};
    case ErrorKind::kUriTooLong:            return {"uri_too_long",            414, true,  false};
    case ErrorKind::kExpectationFailed:     return {"expectation_failed",      417, true,  false};
    case ErrorKind::kHeadersTooLarge:       return {"headers_too_large",       431, true,  false};
    case ErrorKind::kUnknownTransferCoding: return {"unknown_transfer_coding", 501, true,  false};
    case ErrorKind::kMethodTooLong:         return {"method_too_long",         501, true,  false};
    case ErrorKind::kLoopDetected:          return {"loop_detected",           508, true,  false};
    case ErrorKind::kVersionNotSupported:   return {"version_not_supported",   505, true,  false};
    case ErrorKind::kNoServers:             return {"no_servers",              503, false, true};
    case ErrorKind::kNoHealthyServer:       return {"no_healthy_server",       503, false, true};
    case ErrorKind::kQueueFull:             return {"queue_full",              503, false, true};
    case ErrorKind::kConnectFailed:         return {"connect_failed",          502, false, false};
    case ErrorKind::kConnectTimeout:        return {"connect_timeout",         504, false, false};
    case ErrorKind::kUpstreamClosedEarly:   return {"upstream_closed_early",   502, false, false};
    case ErrorKind::kUpstreamReset:         return {"upstream_reset",          502, false, false};
    case ErrorKind::kUpstreamTimeout:       return {"upstream_timeout",        504, false, false};
    case ErrorKind::kUpstreamBadResponse:   return {"upstream_bad_response",   502, false, false};
    case ErrorKind::kClientClosed:          return {"client_closed",           499, true,  false};
    case ErrorKind::kDraining:              return {"draining",                503, true,  true};
    case ErrorKind::kOverloaded:            return {"overloaded",              503, true,  true};
      // clang-format on
  }
  return {"bad_request", 400, true, false};
}

}  // namespace remora::proxy
