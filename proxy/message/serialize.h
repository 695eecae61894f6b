// Writes the head that goes on: the peer's own lines, without those that stop here, with the ones
// that Remora adds. Pure; appends to a string that the caller reuses.
#pragma once

#include <string>
#include <string_view>

#include "proxy/base/error.h"
#include "proxy/message/head.h"

namespace remora::proxy::message {

struct ForwardedRequest {
  std::string_view prefix;     // of the backend's URL: "" or "/a/b"
  std::string_view host;       // replaces the client's Host; empty keeps it
  std::string_view client_ip;  // X-Forwarded-For
  std::string_view request_id;
  std::string_view via_name;
};

void AppendRequestHead(const RequestHead& head, const ForwardedRequest& forwarded,
                       std::string& out);

struct ForwardedResponse {
  std::string_view request_id;
  std::string_view date;             // used where the backend sent none; an IMF-fixdate
  Framing framing = Framing::kNone;  // towards the client
  bool close = false;                // the connection ends with this answer
  bool trailers = false;             // the client takes them
};

void AppendResponseHead(const ResponseHead& head, const ForwardedResponse& forwarded,
                        std::string& out);

// A 1xx as it is passed on.
void AppendInterimHead(const ResponseHead& head, std::string& out);

// The whole answer to an OPTIONS request that may go no further (RFC 9110 section 7.6.2).
void AppendOptionsAnswer(std::string_view request_id, std::string_view date, bool close,
                         std::string& out);

// A whole answer of the proxy's own: status line, JSON body. `head_only` leaves the body out (the
// request was HEAD), its length stays.
void AppendErrorResponse(const ProxyError& error, std::string_view request_id,
                         std::string_view date, bool close, bool head_only, std::string& out);

// How a body framed as `framing` by the backend goes on to a client of HTTP/1.`minor_version`.
Framing FramingTowards(unsigned minor_version, Framing framing);

}  // namespace remora::proxy::message
