#include "proxy/base/limit.h"

namespace remora::proxy {

std::string_view Name(Limit limit) {
  switch (limit) {
    case Limit::kNone:
      return "none";
    case Limit::kHeadBytes:
      return "head_bytes";
    case Limit::kHeadFields:
      return "head_fields";
    case Limit::kRequestLine:
      return "request_line_bytes";
    case Limit::kMethod:
      return "method_bytes";
    case Limit::kBodyBytes:
      return "body_bytes";
    case Limit::kChunkExtensions:
      return "chunk_extension_bytes";
    case Limit::kTrailers:
      return "trailer_bytes";
    case Limit::kInterimResponses:
      return "interim_responses";
    case Limit::kRequestHeadTime:
      return "request_head_time";
    case Limit::kKeepAliveTime:
      return "keep_alive_time";
    case Limit::kIdleTime:
      return "idle_time";
    case Limit::kResponseHeadTime:
      return "response_head_time";
    case Limit::kConnectTime:
      return "connect_time";
    case Limit::kTunnelTime:
      return "tunnel_time";
    case Limit::kConnectionRequests:
      return "connection_requests";
    case Limit::kConnections:
      return "connections";
    case Limit::kDescriptors:
      return "descriptors";
    case Limit::kMaxActive:
      return "max_active";
  }
  return "none";
}

}  // namespace remora::proxy
