#include "proxy/message/serialize.h"

#include "proxy/base/log.h"
#include "proxy/base/text_writer.h"

namespace remora::proxy::message {
namespace {

constexpr std::string_view kAllow = "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n";

// More than all that is not a peer's or an operator's text in a head.
constexpr std::size_t kOwnBytes = 512;

void PutField(std::string_view name, std::string_view value, TextWriter& out) {
  out.Put(name, ": ", value, "\r\n");
}

// Lines that stay are neighbours in the input: each run of them is copied at once.
template <class Keep>
void PutFields(const Fields& fields, Keep keep, TextWriter& out) {
  const char* run = nullptr;
  const char* run_end = nullptr;
  for (const Field& field : fields) {
    if (!keep(field)) continue;
    if (field.line().data() != run_end) {
      out.Put(std::string_view(run, run_end));
      run = field.line().data();
    }
    run_end = field.line().data() + field.line().size();
  }
  out.Put(std::string_view(run, run_end));
}

std::size_t SizeOf(const Fields& fields) {
  std::size_t size = 0;
  for (const Field& field : fields) size += field.line().size();
  return size;
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

void PutStatusLine(unsigned status, std::string_view reason, TextWriter& out) {
  out.Put("HTTP/1.1 ");
  out.PutNumber(status);
  out.Put(" ", reason, "\r\n");
}

void PutTarget(const RequestHead& head, std::string_view prefix, TextWriter& out) {
  if (head.path == "*") return out.Put('*');
  out.Put(prefix);
  if (!head.path.starts_with('/')) out.Put('/');  // http://host?query
  out.Put(head.path);
}

void PutRequestHead(const RequestHead& head, const ForwardedRequest& forwarded, TextWriter& out) {
  out.Put(head.method, " ");
  PutTarget(head, forwarded.prefix, out);
  out.Put(" HTTP/1.1\r\n");
  const bool own_host = !forwarded.host.empty();
  if (own_host) {
    PutField("Host", forwarded.host, out);
  } else if (!head.has_host) {
    PutField("Host", head.authority, out);  // HTTP/1.0 with the absolute form
  }
  const bool chunked = head.framing == Framing::kChunked;
  PutFields(
      head.fields,
      [&](const Field& field) {
        if (field.id() == FieldId::kHost) return !own_host;
        if (field.id() == FieldId::kTrailer) return chunked && !field.dropped();
        return !field.dropped();
      },
      out);
  if (chunked) out.Put("Transfer-Encoding: chunked\r\n");
  if (head.wants_trailers && head.wants_websocket) {
    out.Put("Connection: Upgrade, TE\r\nUpgrade: websocket\r\nTE: trailers\r\n");
  } else if (head.wants_websocket) {
    out.Put("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  } else if (head.wants_trailers) {
    out.Put("Connection: TE\r\nTE: trailers\r\n");
  }
  out.Put("X-Forwarded-For: ", forwarded.client_ip, "\r\nX-Forwarded-Proto: http\r\n");
  if (!head.authority.empty()) PutField("X-Forwarded-Host", head.authority, out);
  if (head.max_forwards) {
    out.Put("Max-Forwards: ");
    out.PutNumber(*head.max_forwards - 1);
    out.Put("\r\n");
  }
  out.Put(head.minor_version == 0 ? "Via: 1.0 " : "Via: 1.1 ", forwarded.via_name,
          "\r\nX-Request-ID: ", forwarded.request_id, "\r\n\r\n");
}

void PutResponseHead(const ResponseHead& head, const ForwardedResponse& forwarded,
                     TextWriter& out) {
  PutStatusLine(head.status, head.reason, out);
  PutFields(
      head.fields,
      [&](const Field& field) {
        if (field.id() == FieldId::kTrailer) return forwarded.trailers && !field.dropped();
        return !field.dropped();
      },
      out);
  if (forwarded.framing == Framing::kChunked) out.Put("Transfer-Encoding: chunked\r\n");
  if (!head.has_date) PutField("Date", forwarded.date, out);
  PutField("X-Request-ID", forwarded.request_id, out);
  if (head.status == 101) {
    out.Put("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  } else if (forwarded.close) {
    out.Put("Connection: close\r\n");
  }
  out.Put("\r\n");
}

}  // namespace

Framing FramingTowards(unsigned minor_version, Framing framing) {
  // HTTP/1.0 knows no chunks (RFC 9112 section 6.1), and HTTP/1.1 needs no close.
  if (minor_version == 0) return framing == Framing::kChunked ? Framing::kUntilClose : framing;
  return framing == Framing::kUntilClose ? Framing::kChunked : framing;
}

void AppendRequestHead(const RequestHead& head, const ForwardedRequest& forwarded,
                       std::string& out) {
  const std::size_t room = kOwnBytes + head.method.size() + forwarded.prefix.size() +
                           head.path.size() + SizeOf(head.fields) + forwarded.host.size() +
                           2 * head.authority.size() + forwarded.client_ip.size() +
                           forwarded.via_name.size() + forwarded.request_id.size();
  AppendText(out, room, [&](TextWriter& writer) { PutRequestHead(head, forwarded, writer); });
}

void AppendResponseHead(const ResponseHead& head, const ForwardedResponse& forwarded,
                        std::string& out) {
  const std::size_t room = kOwnBytes + head.reason.size() + SizeOf(head.fields) +
                           forwarded.date.size() + forwarded.request_id.size();
  AppendText(out, room, [&](TextWriter& writer) { PutResponseHead(head, forwarded, writer); });
}

void AppendInterimHead(const ResponseHead& head, std::string& out) {
  const std::size_t room = kOwnBytes + head.reason.size() + SizeOf(head.fields);
  AppendText(out, room, [&](TextWriter& writer) {
    PutStatusLine(head.status, head.reason, writer);
    PutFields(head.fields, [](const Field& field) { return !field.dropped(); }, writer);
    writer.Put("\r\n");
  });
}

void AppendOptionsAnswer(std::string_view request_id, std::string_view date, bool close,
                         std::string& out) {
  AppendText(out, kOwnBytes + date.size() + request_id.size(), [&](TextWriter& writer) {
    writer.Put("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", kAllow);
    PutField("Date", date, writer);
    PutField("X-Request-ID", request_id, writer);
    writer.Put(close ? "Connection: close\r\n\r\n" : "\r\n");
  });
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
  const std::size_t room = kOwnBytes + body.size() + date.size() + request_id.size();
  AppendText(out, room, [&](TextWriter& writer) {
    PutStatusLine(answer.status, StandardReason(answer.status), writer);
    writer.Put("Content-Type: application/json\r\nContent-Length: ");
    writer.PutNumber(body.size());
    writer.Put("\r\n");
    PutField("Date", date, writer);
    PutField("X-Request-ID", request_id, writer);
    if (answer.retry_after) writer.Put("Retry-After: 1\r\n");
    if (answer.status == 405) writer.Put(kAllow);
    writer.Put(close ? "Connection: close\r\n\r\n" : "\r\n");
    if (!head_only) writer.Put(body);
  });
}

}  // namespace remora::proxy::message
