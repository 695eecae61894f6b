#include "proxy/message/rules.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "proxy/base/byte_scan.h"
#include "proxy/message/characters.h"

namespace remora::proxy::message {
namespace {

constexpr std::size_t kMaxMethod = 64;

std::unexpected<ProxyError> Bad(std::string_view detail) {
  return Fail(ErrorKind::kBadRequest, Side::kDownstream, detail);
}

std::unexpected<ProxyError> BadResponse(std::string_view detail) {
  return Fail(ErrorKind::kUpstreamBadResponse, Side::kUpstream, detail, Sent::kAnswered);
}

// What Connection says, and the framing fields: the same for requests and responses.
struct Common {
  const Field* content_length = nullptr;
  const Field* transfer_encoding = nullptr;
  bool repeated_framing = false;
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
};

// Fields that a Connection option can't take away: they frame or route, or are handled by name.
bool MayBeNamedByConnection(FieldId id) {
  return id != FieldId::kHost && id != FieldId::kContentLength &&
         id != FieldId::kTransferEncoding && id != FieldId::kUpgrade && id != FieldId::kTe;
}

void DropNamed(Fields& fields, std::string_view name) {
  for (Field& field : fields) {
    if (MayBeNamedByConnection(field.id()) && EqualsIgnoreCase(field.name(), name)) field.Drop();
  }
}

Common ApplyCommonRules(Fields& fields) {
  Common common;
  for (Field& field : fields) {
    switch (field.id()) {
      case FieldId::kContentLength:
        common.repeated_framing |= common.content_length != nullptr;
        common.content_length = &field;
        break;
      case FieldId::kTransferEncoding:
        common.repeated_framing |= common.transfer_encoding != nullptr;
        common.transfer_encoding = &field;
        field.Drop();  // each side has its own
        break;
      case FieldId::kConnection:
        field.Drop();
        ForEachToken(field.value(), [&](std::string_view token) {
          if (EqualsIgnoreCase(token, "close")) {
            common.close = true;
          } else if (EqualsIgnoreCase(token, "keep-alive")) {
            common.keep_alive = true;
          } else if (EqualsIgnoreCase(token, "upgrade")) {
            common.upgrade = true;
          } else {
            DropNamed(fields, token);
          }
        });
        break;
      case FieldId::kHttp2Settings:
      case FieldId::kKeepAlive:
      case FieldId::kProxyConnection:
      case FieldId::kTe:
      case FieldId::kUpgrade:
        field.Drop();
        break;
      default:
        break;
    }
  }
  return common;
}

bool ParseLength(std::string_view text, std::uint64_t& length) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return error == std::errc() && end == text.data() + text.size() &&
         length <= static_cast<std::uint64_t>(INT64_MAX);
}

// A Transfer-Encoding that is not just `chunked`: 501 if the body could be found by who knows the
// coding, 400 if nobody could (RFC 9112 sections 6.1 and 6.3).
std::unexpected<ProxyError> RefuseCoding(std::string_view value) {
  bool findable = true;
  for (bool last = false; findable && !last;) {
    const std::size_t comma = std::min(value.find(','), value.size());
    std::string_view coding = value.substr(0, comma);
    while (!coding.empty() && IsBlank(coding.front())) coding.remove_prefix(1);
    while (!coding.empty() && IsBlank(coding.back())) coding.remove_suffix(1);
    last = comma == value.size();
    findable = !coding.empty() && EqualsIgnoreCase(coding, "chunked") == last;
    if (!last) value.remove_prefix(comma + 1);
  }
  if (!findable) return Bad("Transfer-Encoding does not end in one chunked");
  return Fail(ErrorKind::kUnknownTransferCoding, Side::kDownstream,
              "the only transfer coding is chunked");
}

// RFC 9112 section 6.1 and 6.3, the strict branch wherever there is a choice.
Result<void> FrameRequest(const Common& common, RequestHead& head) {
  if (common.repeated_framing) return Bad("Content-Length or Transfer-Encoding twice");
  if (common.transfer_encoding != nullptr) {
    if (common.content_length != nullptr) return Bad("Content-Length beside Transfer-Encoding");
    if (head.minor_version == 0) return Bad("Transfer-Encoding in HTTP/1.0");
    if (!EqualsIgnoreCase(common.transfer_encoding->value(), "chunked")) {
      return RefuseCoding(common.transfer_encoding->value());
    }
    head.framing = Framing::kChunked;
  } else if (common.content_length != nullptr) {
    if (!ParseLength(common.content_length->value(), head.length)) return Bad("bad Content-Length");
    head.framing = head.length == 0 ? Framing::kNone : Framing::kLength;
  }
  return {};
}

// Sets `path` and, for the absolute form, `authority` (RFC 9112 section 3.2).
Result<void> CheckTarget(RequestHead& head) {
  const std::string_view target = head.target;
  const char* const target_end = target.data() + target.size();
  const char* const refused = FindFirst(target.data(), target_end, [](Block bytes) {
    return (bytes <= 0x20) | (bytes >= 0x7f) | (bytes == '#');
  });
  if (refused != target_end) return Bad("a byte that no target may have");
  if (target.starts_with('/')) {
    head.path = target;
    return {};
  }
  if (target == "*") {
    if (head.method != "OPTIONS") return Bad("only OPTIONS may ask for *");
    head.path = target;
    return {};
  }
  constexpr std::string_view kHttp = "http://";
  if (target.size() <= kHttp.size() || !EqualsIgnoreCase(target.substr(0, kHttp.size()), kHttp)) {
    return Bad("the target is neither a path nor an http URL");
  }
  const std::string_view rest = target.substr(kHttp.size());
  const std::size_t end = rest.find_first_of("/?");
  head.authority = rest.substr(0, end);
  head.path = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  if (!ValidAuthority(head.authority)) return Bad("bad authority in the target");
  // RFC 9112 section 3.2.4: asked of the server as a whole.
  if (head.path.empty() && head.method == "OPTIONS") head.path = "*";
  return {};
}

Result<void> CheckHost(RequestHead& head) {
  const Field* host = nullptr;
  for (const Field& field : head.fields) {
    if (field.id() != FieldId::kHost) continue;
    if (host != nullptr) return Bad("Host twice");
    host = &field;
  }
  if (host == nullptr) {
    if (head.minor_version == 0) return {};
    return Bad("no Host");
  }
  if (!ValidAuthority(host->value())) return Bad("bad Host");
  if (!head.authority.empty() && !EqualsIgnoreCase(head.authority, host->value())) {
    return Bad("the target and Host differ");
  }
  head.authority = host->value();
  head.has_host = true;
  return {};
}

Result<void> ApplyExpect(RequestHead& head, Field& field) {
  if (head.minor_version == 0) {
    field.Drop();  // RFC 9110 section 10.1.1: ignored in HTTP/1.0
    return {};
  }
  if (!EqualsIgnoreCase(field.value(), "100-continue")) {
    return Fail(ErrorKind::kExpectationFailed, Side::kDownstream,
                "the only expectation is 100-continue");
  }
  head.expects_continue = !field.dropped();  // not where Connection takes it away
  return {};
}

// RFC 9110 section 7.6.2. The field has a meaning for OPTIONS only, TRACE is not served.
Result<void> ApplyMaxForwards(RequestHead& head, Field& field) {
  if (head.method != "OPTIONS") return {};
  std::uint64_t number = 0;
  if (head.max_forwards || !ParseLength(field.value(), number)) return Bad("bad Max-Forwards");
  head.max_forwards = number;
  field.Drop();  // the next hop gets one less
  return {};
}

Result<void> ApplyFields(RequestHead& head, const RequestPolicy& policy) {
  bool has_request_id = false;
  for (Field& field : head.fields) {
    if (policy.underscores == Underscores::kReject && field.name().contains('_')) {
      return Bad("a field name with an underscore");
    }
    switch (field.id()) {
      case FieldId::kMaxForwards:
        if (auto result = ApplyMaxForwards(head, field); !result) return result;
        break;
      case FieldId::kVia:
        if (!policy.via_name.empty() && field.value().contains(policy.via_name)) {
          return Fail(ErrorKind::kLoopDetected, Side::kDownstream,
                      "Via names this process: a server's address leads back here");
        }
        break;
      case FieldId::kExpect:
        if (auto result = ApplyExpect(head, field); !result) return result;
        break;
      case FieldId::kTe:
        ForEachToken(field.value(), [&](std::string_view token) {
          if (EqualsIgnoreCase(token, "trailers")) head.wants_trailers = true;
        });
        break;
      case FieldId::kXRequestId:
        // One that is well-formed and alone is kept, whoever sent it: an id that changes at each
        // hop is of no use.
        head.request_id = !field.dropped() && !has_request_id && ValidRequestId(field.value())
                              ? field.value()
                              : std::string_view();
        has_request_id = true;
        field.Drop();
        break;
      case FieldId::kForwarded:
      case FieldId::kXForwardedFor:
      case FieldId::kXForwardedHost:
      case FieldId::kXForwardedProto:
        field.Drop();  // nobody's word is taken for these; Remora writes its own
        break;
      default:
        break;
    }
  }
  return {};
}

// RFC 6455 section 4.1; everything else that asks to upgrade is served without.
bool WantsWebsocket(const RequestHead& head, const Common& common) {
  if (!common.upgrade || head.minor_version == 0 || head.method != "GET" ||
      head.framing != Framing::kNone) {
    return false;
  }
  const auto upgrade = std::ranges::find(head.fields, FieldId::kUpgrade, &Field::id);
  return upgrade != head.fields.end() && EqualsIgnoreCase(upgrade->value(), "websocket");
}

Result<void> FrameResponse(const RequestHead& request, const Common& common, ResponseHead& head) {
  if (common.repeated_framing) return BadResponse("Content-Length or Transfer-Encoding twice");
  if (common.transfer_encoding != nullptr) {
    if (common.content_length != nullptr) {
      return BadResponse("Content-Length beside Transfer-Encoding");
    }
    if (head.minor_version == 0) return BadResponse("Transfer-Encoding in HTTP/1.0");
    if (!EqualsIgnoreCase(common.transfer_encoding->value(), "chunked")) {
      return BadResponse("unknown Transfer-Encoding");
    }
  }
  if (common.content_length != nullptr &&
      !ParseLength(common.content_length->value(), head.length)) {
    return BadResponse("bad Content-Length");
  }
  if (head.status < 200 || head.status == 204) {
    // No framing fields in these (RFC 9110 section 8.6, 9112 section 6.1).
    for (Field& field : head.fields) {
      if (field.id() == FieldId::kContentLength) field.Drop();
    }
    head.framing = head.status == 101 ? Framing::kTunnel : Framing::kNone;
  } else if (request.is_head() || head.status == 304) {
    head.framing = Framing::kNone;
  } else if (common.transfer_encoding != nullptr) {
    head.framing = Framing::kChunked;
  } else if (common.content_length != nullptr) {
    head.framing = head.length == 0 ? Framing::kNone : Framing::kLength;
  } else {
    head.framing = Framing::kUntilClose;
    head.keep_alive = false;
  }
  return {};
}

bool ValidPort(std::string_view port) {
  return port.size() <= 5 && std::ranges::all_of(port, IsDigit) &&
         (port.size() < 5 || port <= "65535");
}

}  // namespace

Result<void> ApplyRequestRules(RequestHead& head, const RequestPolicy& policy) {
  if (head.method.size() > kMaxMethod) {
    return FailAt(Limit::kMethod, ErrorKind::kMethodTooLong, Side::kDownstream,
                  "no method has more than 64 bytes");
  }
  if (head.method == "CONNECT" || head.method == "TRACE") {
    if (auto result = CheckHost(head); !result) return result;
    return Fail(ErrorKind::kMethodNotAllowed, Side::kDownstream,
                "CONNECT and TRACE are not served");
  }
  if (auto result = CheckTarget(head); !result) return result;
  if (auto result = CheckHost(head); !result) return result;
  const Common common = ApplyCommonRules(head.fields);
  if (auto result = FrameRequest(common, head); !result) return result;
  if (auto result = ApplyFields(head, policy); !result) return result;
  head.wants_websocket = WantsWebsocket(head, common);
  // An HTTP/1.0 client is answered and left: what it means by keep-alive was never agreed on.
  head.keep_alive = head.minor_version == 1 && !common.close;
  return {};
}

Result<void> ApplyResponseRules(const RequestHead& request, ResponseHead& head) {
  if (head.status < 100 || head.status > 599) return BadResponse("a status outside 100 to 599");
  if (head.status == 101 && !request.wants_websocket) {
    return BadResponse("101 that nobody asked for");
  }
  const Common common = ApplyCommonRules(head.fields);
  head.keep_alive = head.minor_version == 1 ? !common.close : common.keep_alive && !common.close;
  if (auto result = FrameResponse(request, common, head); !result) return result;
  bool upgraded = false;
  for (Field& field : head.fields) {
    if (field.id() == FieldId::kDate && !field.dropped()) head.has_date = true;
    if (field.id() == FieldId::kXRequestId) field.Drop();  // ours is echoed
    if (head.status == 101 && field.id() == FieldId::kUpgrade) {
      if (!EqualsIgnoreCase(field.value(), "websocket")) {
        return BadResponse("101 to another protocol than asked for");
      }
      upgraded = true;
    }
  }
  if (head.status == 101 && !upgraded) return BadResponse("101 without Upgrade");
  return {};
}

bool TrailerMayPass(const Field& field) {
  // Where names with an underscore are not wanted in a head, they are not in a trailer.
  if (field.id() != FieldId::kOther || field.name().contains('_')) return false;
  // Facts about the content that are known only at its end, and gRPC's status.
  constexpr std::string_view kAllowed[] = {
      "content-digest", "content-md5",   "digest",          "etag",
      "grpc-message",   "grpc-status",   "last-modified",   "grpc-status-details-bin",
      "repr-digest",    "server-timing", "trace-proto-bin", "x-checksum"};
  constexpr std::string_view kAllowedPrefixes[] = {"x-amz-checksum-", "x-checksum-", "x-trailer-"};
  if (std::ranges::any_of(
          kAllowed, [&](std::string_view name) { return EqualsIgnoreCase(name, field.name()); })) {
    return true;
  }
  return std::ranges::any_of(kAllowedPrefixes, [&](std::string_view prefix) {
    return EqualsIgnoreCase(prefix, field.name().substr(0, prefix.size()));
  });
}

bool ValidRequestId(std::string_view id) {
  if (id.empty() || id.size() > 128) return false;
  const char* const end = id.data() + id.size();
  return FindFirst(id.data(), end, [](Block bytes) {
           return ~(IsAlphanumeric(bytes) | (bytes == '.') | (bytes == '_') | (bytes == '-'));
         }) == end;
}

bool ValidAuthority(std::string_view authority) {
  if (authority.empty() || authority.size() > 255) return false;
  if (authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return false;
    const std::string literal(authority.substr(1, close - 1));
    in6_addr address;
    if (inet_pton(AF_INET6, literal.c_str(), &address) != 1) return false;
    const std::string_view rest = authority.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && ValidPort(rest.substr(1)));
  }
  const std::size_t colon = authority.find(':');
  const std::string_view host = authority.substr(0, colon);
  if (colon != std::string_view::npos && !ValidPort(authority.substr(colon + 1))) return false;
  return !host.empty() && std::ranges::all_of(host, IsRegNameByte);
}

}  // namespace remora::proxy::message
