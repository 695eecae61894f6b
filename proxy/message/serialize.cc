#include "proxy/message/serialize.h"

#include <charconv>

#include "proxy/base/log.h"

namespace remora::proxy::message {
namespace {

constexpr std::string_view kAllow = "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n";

void AppendField(std::string_view name, std::string_view value, std::string& out) {
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

void AppendNumber(std::uint64_t number, std::string& out) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), number);
  out.append(digits, static_cast<std::size_t>(end - digits));
}

// Lines that stay are neighbours in the input: each run of them is copied at once.
template <class Keep>
void AppendFields(const Fields& fields, Keep keep, std::string& out) {
  const char* run = nullptr;
  const char* run_end = nullptr;
  for (const Field& field : fields) {
    if (!keep(field)) continue;
    if (field.line.data() != run_end) {
      out.append(run, run_end);
      run = field.line.data();
    }
    run_end = field.line.data() + field.line.size();
  }
  out.append(run, run_end);
}

std::string_view StandardReason(unsigned status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 508:
      return "Loop Detected";
    default:
      return "Error";
  }
}

void AppendStatusLine(unsigned status, std::string_view reason, std::string& out) {
  out += "HTTP/1.1 ";
  AppendNumber(status, out);
  out += ' ';
  out += reason;
  out += "\r\n";
}

void AppendTarget(const RequestHead& head, std::string_view prefix, std::string& out) {
  if (head.path == "*") {
    out += '*';
    return;
  }
  out += prefix;
  if (!head.path.starts_with('/')) out += '/';  // http://host?query
  out += head.path;
}

}  // namespace

Framing FramingTowards(unsigned minor_version, Framing framing) {
  // HTTP/1.0 knows no chunks (RFC 9112 section 6.1), and HTTP/1.1 needs no close.
  if (minor_version == 0) return framing == Framing::kChunked ? Framing::kUntilClose : framing;
  return framing == Framing::kUntilClose ? Framing::kChunked : framing;
}

void AppendRequestHead(const RequestHead& head, const ForwardedRequest& forwarded,
                       std::string& out) {
  out += head.method;
  out += ' ';
  AppendTarget(head, forwarded.prefix, out);
  out += " HTTP/1.1\r\n";
  const bool own_host = !forwarded.host.empty();
  if (own_host) {
    AppendField("Host", forwarded.host, out);
  } else if (!head.has_host) {
    AppendField("Host", head.authority, out);  // HTTP/1.0 with the absolute form
  }
  const bool chunked = head.framing == Framing::kChunked;
  AppendFields(
      head.fields,
      [&](const Field& field) {
        if (field.id == FieldId::kHost) return !own_host;
        if (field.id == FieldId::kTrailer) return chunked && !field.drop;
        return !field.drop;
      },
      out);
  if (chunked) out += "Transfer-Encoding: chunked\r\n";
  if (head.wants_trailers && head.wants_websocket) {
    out += "Connection: Upgrade, TE\r\nUpgrade: websocket\r\nTE: trailers\r\n";
  } else if (head.wants_websocket) {
    out += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  } else if (head.wants_trailers) {
    out += "Connection: TE\r\nTE: trailers\r\n";
  }
  AppendField("X-Forwarded-For", forwarded.client_ip, out);
  out += "X-Forwarded-Proto: http\r\n";
  if (!head.authority.empty()) AppendField("X-Forwarded-Host", head.authority, out);
  if (head.max_forwards) {
    out += "Max-Forwards: ";
    AppendNumber(*head.max_forwards - 1, out);
    out += "\r\n";
  }
  out += head.minor_version == 0 ? "Via: 1.0 " : "Via: 1.1 ";
  out += forwarded.via_name;
  out += "\r\n";
  AppendField("X-Request-ID", forwarded.request_id, out);
  out += "\r\n";
}

void AppendResponseHead(const ResponseHead& head, const ForwardedResponse& forwarded,
                        std::string& out) {
  AppendStatusLine(head.status, head.reason, out);
  AppendFields(
      head.fields,
      [&](const Field& field) {
        if (field.id == FieldId::kTrailer) return forwarded.trailers && !field.drop;
        return !field.drop;
      },
      out);
  if (forwarded.framing == Framing::kChunked) out += "Transfer-Encoding: chunked\r\n";
  if (!head.has_date) AppendField("Date", forwarded.date, out);
  AppendField("X-Request-ID", forwarded.request_id, out);
  if (head.status == 101) {
    out += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  } else if (forwarded.close) {
    out += "Connection: close\r\n";
  }
  out += "\r\n";
}

void AppendInterimHead(const ResponseHead& head, std::string& out) {
  AppendStatusLine(head.status, head.reason, out);
  AppendFields(head.fields, [](const Field& field) { return !field.drop; }, out);
  out += "\r\n";
}

void AppendOptionsAnswer(std::string_view request_id, std::string_view date, bool close,
                         std::string& out) {
  out += "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
  out += kAllow;
  AppendField("Date", date, out);
  AppendField("X-Request-ID", request_id, out);
  if (close) out += "Connection: close\r\n";
  out += "\r\n";
}

void AppendErrorResponse(const ProxyError& error, std::string_view request_id,
                         std::string_view date, bool close, bool head_only, std::string& out) {
  const ErrorAnswer answer = Describe(error.kind);
  std::string body = R"({"reason":")";
  body += answer.reason;
  body += R"(","detail":")";
  body += log::JsonEscape(error.detail);
  body += R"(","request_id":")";
  body += log::JsonEscape(request_id);
  body += "\"}\n";
  AppendStatusLine(answer.status, StandardReason(answer.status), out);
  out += "Content-Type: application/json\r\nContent-Length: ";
  AppendNumber(body.size(), out);
  out += "\r\n";
  AppendField("Date", date, out);
  AppendField("X-Request-ID", request_id, out);
  if (answer.retry_after) out += "Retry-After: 1\r\n";
  if (answer.status == 405) out += kAllow;
  if (close) out += "Connection: close\r\n";
  out += "\r\n";
  if (!head_only) out += body;
}

}  // namespace remora::proxy::message
