#include "tests/support/strict_http.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ranges>
#include <utility>

namespace remora::strict {
namespace {

constexpr std::uint64_t kMaxLength = INT64_MAX;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsVisible(char c) { return c > 0x20 && c < 0x7f; }
bool IsBlank(char c) { return c == ' ' || c == '\t'; }
bool IsObsText(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool IsAny(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }
// RFC 9110 section 5.6.2.
bool IsTokenByte(char c) { return IsAlpha(c) || IsDigit(c) || IsAny(c, "!#$%&'*+-.^_`|~"); }
// RFC 9110 section 5.5; also what a reason phrase may hold (RFC 9112 section 4).
bool IsTextByte(char c) { return IsVisible(c) || IsBlank(c) || IsObsText(c); }
bool IsTargetByte(char c) { return IsVisible(c) && c != '#'; }
// RFC 3986: unreserved and sub-delims.
bool IsNameByte(char c) { return IsAlpha(c) || IsDigit(c) || IsAny(c, "-._~!$&'()*+,;="); }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = Lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool SameName(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, Lower, Lower);
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

// The number that consists of these digits only; nullopt if it is none or does not fit.
std::optional<std::uint64_t> Number(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (!IsDigit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (kMaxLength - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

bool ValidPort(std::string_view port) {
  if (port.empty()) return true;  // RFC 3986 section 3.2.3: port = *DIGIT
  const auto number = Number(port);
  return number && *number <= 65535;
}

// What stands between the brackets: IPv6address or IPvFuture.
bool ValidIpLiteral(std::string_view text) {
  if (!text.empty() && Lower(text.front()) == 'v') {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos || dot < 2 || dot + 1 == text.size()) return false;
    return std::ranges::all_of(text.substr(1, dot - 1), [](char c) { return HexValue(c) >= 0; }) &&
           std::ranges::all_of(text.substr(dot + 1),
                               [](char c) { return IsNameByte(c) || c == ':'; });
  }
  in6_addr address{};
  // A NUL would end the text for inet_pton.
  return text.find('\0') == std::string_view::npos &&
         inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool ValidRegName(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || HexValue(text[i + 1]) < 0 || HexValue(text[i + 2]) < 0) {
        return false;
      }
      i += 2;
    } else if (!IsNameByte(text[i])) {
      return false;
    }
  }
  return !text.empty();  // RFC 9110 section 4.2.1
}

// uri-host [ ":" port ] without userinfo.
bool ValidHost(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || !ValidIpLiteral(text.substr(1, end - 1))) return false;
    const std::string_view rest = text.substr(end + 1);
    return rest.empty() || (rest.front() == ':' && ValidPort(rest.substr(1)));
  }
  const std::size_t colon = text.find(':');
  if (!ValidRegName(text.substr(0, colon))) return false;
  return colon == std::string_view::npos || ValidPort(text.substr(colon + 1));
}

// The authority of an absolute-form target; nullopt if it is not an http or https URL.
std::optional<std::string_view> AuthorityOf(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!SameName(target.substr(0, scheme.size()), scheme)) continue;
    const std::string_view rest = target.substr(scheme.size());
    return rest.substr(0, rest.find_first_of("/?"));
  }
  return std::nullopt;
}

// Fields that frame, route, authenticate or describe a message have no place behind its body
// (RFC 9110 section 6.5.1).
bool MayNotTrail(std::string_view name) {
  constexpr std::array<std::string_view, 24> kForbidden = {"authorization",
                                                           "connection",
                                                           "content-encoding",
                                                           "content-length",
                                                           "content-range",
                                                           "content-type",
                                                           "cookie",
                                                           "expect",
                                                           "forwarded",
                                                           "host",
                                                           "keep-alive",
                                                           "max-forwards",
                                                           "proxy-authorization",
                                                           "proxy-connection",
                                                           "set-cookie",
                                                           "te",
                                                           "trailer",
                                                           "transfer-encoding",
                                                           "upgrade",
                                                           "via",
                                                           "x-forwarded-for",
                                                           "x-forwarded-host",
                                                           "x-forwarded-proto",
                                                           "x-real-ip"};
  return std::ranges::any_of(kForbidden, [&](std::string_view bad) { return SameName(bad, name); });
}

// Reads one message from its first byte. Each function returns true when it has read its part;
// false when the bytes end in it (kIncomplete) or it is malformed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Parsed Finish(bool complete) {
    parsed_.outcome = complete                  ? Outcome::kComplete
                      : parsed_.problem.empty() ? Outcome::kIncomplete
                                                : Outcome::kMalformed;
    parsed_.size = complete ? position_ : 0;
    return std::move(parsed_);
  }

  bool Request();
  bool Response(std::string_view method, bool ended);

 private:
  bool Fail(std::string_view problem) {
    parsed_.problem = std::string(problem) + " (at byte " + std::to_string(position_) + ")";
    return false;
  }
  bool HasByte() const { return position_ < bytes_.size(); }
  char Byte() const { return bytes_[position_]; }

  bool Literal(std::string_view expected, std::string_view problem);
  bool LineEnd(std::string_view problem) { return Literal("\r\n", problem); }
  // Everything of that class; false only where the bytes end within it.
  template <class Class>
  bool Run(Class in_class, std::string& out);

  bool RequestLine();
  bool CheckTarget();
  bool StatusLine();
  bool Version();
  bool Fields(std::vector<Field>& fields);
  bool FieldLine(std::vector<Field>& fields);
  bool CheckHost();
  bool CheckConnection();
  bool FrameByFields(bool& framed);
  bool FrameRequest();
  bool FrameResponse(std::string_view method);
  bool Body(bool ended);
  bool Chunks();
  bool ChunkSize(std::uint64_t& size);
  bool ChunkExtensions();
  bool ExtensionPart(std::string_view problem);
  bool Blanks();
  bool QuotedString();
  bool Trailers();
  bool Take(std::uint64_t size);

  std::string_view bytes_;
  std::size_t position_ = 0;
  std::uint64_t length_ = 0;
  Parsed parsed_;
  Message& message_ = parsed_.message;
};

bool Reader::Literal(std::string_view expected, std::string_view problem) {
  for (const char c : expected) {
    if (!HasByte()) return false;
    if (Byte() != c) return Fail(problem);
    ++position_;
  }
  return true;
}

template <class Class>
bool Reader::Run(Class in_class, std::string& out) {
  while (HasByte() && in_class(Byte())) out += bytes_[position_++];
  return HasByte();
}

bool Reader::Version() {
  if (!Literal("HTTP/1.", "no HTTP/1 version (9112 2.3)")) return false;
  if (!HasByte()) return false;
  if (Byte() != '0' && Byte() != '1') return Fail("a version other than 1.0 and 1.1 (9112 2.3)");
  message_.minor_version = static_cast<unsigned>(Byte() - '0');
  ++position_;
  return true;
}

bool Reader::RequestLine() {
  if (!Run(IsTokenByte, message_.method)) return false;
  if (message_.method.empty()) return Fail("a method that is no token (9112 3.1)");
  if (!Literal(" ", "no single blank behind the method (9112 3)")) return false;
  if (!Run(IsTargetByte, message_.target)) return false;
  if (Byte() != ' ') return Fail("a byte that no target may have (9112 3.2)");
  if (!CheckTarget()) return false;
  ++position_;
  if (!Version()) return false;
  const std::size_t end = position_;
  if (!LineEnd("no CRLF behind the request line (9112 3)")) return false;
  message_.start = bytes_.substr(0, end);
  return true;
}

// CONNECT and its authority form have no place here: nobody of us opens such a tunnel.
bool Reader::CheckTarget() {
  const std::string_view target = message_.target;
  if (target.starts_with('/')) return true;
  if (target == "*") return message_.method == "OPTIONS" || Fail("* without OPTIONS (9112 3.2.4)");
  const auto authority = AuthorityOf(target);
  if (!authority) return Fail("a target of no known form (9112 3.2)");
  return ValidHost(*authority) || Fail("a bad authority in the target (9110 4.2.1)");
}

bool Reader::StatusLine() {
  if (!Version()) return false;
  if (!Literal(" ", "no single blank before the status (9112 4)")) return false;
  for (int i = 0; i < 3; ++i) {
    if (!HasByte()) return false;
    if (!IsDigit(Byte())) return Fail("a status that is not three digits (9112 4)");
    message_.status = message_.status * 10 + static_cast<unsigned>(Byte() - '0');
    ++position_;
  }
  if (message_.status < 100 || message_.status > 599) return Fail("a bad status (9110 15)");
  if (!Literal(" ", "no blank behind the status (9112 4)")) return false;
  if (!Run(IsTextByte, message_.reason)) return false;
  const std::size_t end = position_;
  if (!LineEnd("a bad byte in the reason or no CRLF behind it (9112 4)")) return false;
  message_.start = bytes_.substr(0, end);
  return true;
}

bool Reader::FieldLine(std::vector<Field>& fields) {
  Field field;
  if (!Run(IsTokenByte, field.name)) return false;
  if (field.name.empty()) return Fail("a field without a name, or a folded line (9112 5)");
  if (!Literal(":", "a bad byte in a field name, or a blank before the colon (9112 5.1)")) {
    return false;
  }
  std::string text;
  if (!Run(IsTextByte, text)) return false;
  if (!LineEnd("a bad byte in a field value, or no CRLF behind it (9110 5.5, 9112 2.2)")) {
    return false;
  }
  field.value = Trim(text);
  fields.push_back(std::move(field));
  return true;
}

// Up to and with the empty line.
bool Reader::Fields(std::vector<Field>& fields) {
  for (;;) {
    if (!HasByte()) return false;
    if (Byte() == '\r') return LineEnd("a bare CR (9112 2.2)");
    if (!FieldLine(fields)) return false;
  }
}

bool Reader::CheckHost() {
  const auto count = std::ranges::count_if(
      message_.fields, [](const Field& field) { return SameName(field.name, "host"); });
  if (count > 1) return Fail("Host twice (9112 3.2)");
  const auto host = message_.Get("host");
  if (!host) return message_.minor_version == 0 || Fail("no Host (9112 3.2)");
  if (!ValidHost(*host)) return Fail("a bad Host (9112 3.2)");
  const auto authority = AuthorityOf(message_.target);
  return !authority || SameName(*authority, *host) || Fail("Host and target differ (9112 3.2.2)");
}

// A list of tokens; empty members are no fault (RFC 9110 section 5.6.1.2).
bool Reader::CheckConnection() {
  for (const Field& field : message_.fields) {
    if (!SameName(field.name, "connection")) continue;
    for (const auto member : std::views::split(field.value, ',')) {
      if (!std::ranges::all_of(Trim(std::string_view(member)), IsTokenByte)) {
        return Fail("a Connection option that is no token (9110 7.6.1)");
      }
    }
  }
  return true;
}

// What Content-Length and Transfer-Encoding say, for requests and responses alike. `framed`: there
// was one of them.
bool Reader::FrameByFields(bool& framed) {
  const Field* length = nullptr;
  const Field* coding = nullptr;
  for (const Field& field : message_.fields) {
    const bool is_length = SameName(field.name, "content-length");
    if (!is_length && !SameName(field.name, "transfer-encoding")) continue;
    const Field*& slot = is_length ? length : coding;
    if (slot != nullptr) return Fail("a framing field twice (9112 6.3)");
    slot = &field;
  }
  framed = length != nullptr || coding != nullptr;
  if (length != nullptr && coding != nullptr) {
    return Fail("Content-Length beside Transfer-Encoding (9112 6.2)");
  }
  if (coding != nullptr) {
    if (message_.minor_version == 0) return Fail("Transfer-Encoding in HTTP/1.0 (9112 6.1)");
    if (!SameName(coding->value, "chunked")) return Fail("a coding but chunked (9112 6.1)");
    message_.framing = Framing::kChunked;
  } else if (length != nullptr) {
    const auto number = Number(length->value);
    if (!number) return Fail("a bad Content-Length (9110 8.6)");
    length_ = *number;
    message_.framing = Framing::kLength;
  }
  return true;
}

bool Reader::FrameRequest() {
  bool framed = false;
  return FrameByFields(framed);
}

bool Reader::FrameResponse(std::string_view method) {
  bool framed = false;
  if (!FrameByFields(framed)) return false;
  const unsigned status = message_.status;
  if (status < 200 || status == 204) {
    if (framed) return Fail("a framing field in 1xx or 204 (9110 8.6, 9112 6.1)");
    message_.framing = status == 101 ? Framing::kTunnel : Framing::kNone;
  } else if (method == "HEAD" || status == 304) {
    message_.framing = Framing::kNone;
  } else if (!framed) {
    message_.framing = Framing::kUntilClose;
  }
  return true;
}

bool Reader::Take(std::uint64_t size) {
  const auto there = bytes_.substr(position_, static_cast<std::size_t>(std::min<std::uint64_t>(
                                                  size, bytes_.size() - position_)));
  message_.body += there;
  position_ += there.size();
  return there.size() == size;
}

bool Reader::Body(bool ended) {
  switch (message_.framing) {
    case Framing::kNone:
    case Framing::kTunnel:
      return true;
    case Framing::kLength:
      return Take(length_);
    case Framing::kChunked:
      return Chunks();
    case Framing::kUntilClose:
      break;
  }
  Take(bytes_.size() - position_);
  return ended;
}

bool Reader::ChunkSize(std::uint64_t& size) {
  size = 0;
  const std::size_t begin = position_;
  while (HasByte() && HexValue(Byte()) >= 0) {
    if (size > kMaxLength / 16) return Fail("a chunk size too large (9112 7.1)");
    size = size * 16 + static_cast<std::uint64_t>(HexValue(Byte()));
    ++position_;
  }
  if (!HasByte()) return false;
  return position_ != begin || Fail("a chunk without a size (9112 7.1)");
}

bool Reader::Blanks() {
  std::string blanks;
  return Run(IsBlank, blanks);
}

bool Reader::QuotedString() {
  if (!Literal("\"", "no quoted string (9110 5.6.4)")) return false;
  while (HasByte() && Byte() != '"') {
    if (Byte() == '\\') {
      ++position_;
      if (!HasByte()) return false;
    }
    if (!IsTextByte(Byte())) return Fail("a bad byte in a quoted string (9110 5.6.4)");
    ++position_;
  }
  return Literal("\"", "no end of a quoted string (9110 5.6.4)");
}

bool Reader::ExtensionPart(std::string_view problem) {
  std::string token;
  if (!Run(IsTokenByte, token)) return false;
  return !token.empty() || Fail(problem);
}

// *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
bool Reader::ChunkExtensions() {
  bool blank_ends = false;  // blanks that no ";" follows
  for (;;) {
    if (!HasByte()) return false;
    blank_ends = IsBlank(Byte());
    if (!Blanks()) return false;
    if (Byte() != ';') break;
    ++position_;
    if (!Blanks() || !ExtensionPart("an extension without a name (9112 7.1.1)")) return false;
    blank_ends = IsBlank(Byte());
    if (!Blanks()) return false;
    if (Byte() == ';') continue;
    if (Byte() != '=') break;
    ++position_;
    blank_ends = false;
    if (!Blanks()) return false;
    const bool value =
        Byte() == '"' ? QuotedString() : ExtensionPart("an extension without a value (9112 7.1.1)");
    if (!value) return false;
  }
  return !blank_ends || Fail("a blank at the end of a chunk size line (9112 7.1)");
}

bool Reader::Trailers() {
  if (!Fields(message_.trailers)) return false;
  return std::ranges::none_of(message_.trailers,
                              [](const Field& field) { return MayNotTrail(field.name); }) ||
         Fail("a field that may not be a trailer (9110 6.5.1)");
}

bool Reader::Chunks() {
  for (;;) {
    std::uint64_t size = 0;
    if (!ChunkSize(size) || !ChunkExtensions()) return false;
    if (!LineEnd("no CRLF behind a chunk size (9112 7.1)")) return false;
    if (size == 0) return Trailers();
    if (!Take(size) || !LineEnd("no CRLF behind a chunk (9112 7.1)")) return false;
  }
}

bool Reader::Request() {
  if (!RequestLine() || !Fields(message_.fields)) return false;
  if (!CheckHost() || !CheckConnection() || !FrameRequest()) return false;
  parsed_.head_complete = true;
  return Body(false);
}

bool Reader::Response(std::string_view method, bool ended) {
  if (!StatusLine() || !Fields(message_.fields)) return false;
  if (!CheckConnection() || !FrameResponse(method)) return false;
  parsed_.head_complete = true;
  return Body(ended);
}

}  // namespace

std::optional<std::string> Message::Get(std::string_view name) const {
  std::optional<std::string> joined;
  for (const Field& field : fields) {
    if (!SameName(field.name, name)) continue;
    joined = joined ? *joined + "|" + field.value : field.value;
  }
  return joined;
}

bool Message::HasToken(std::string_view field_name, std::string_view token) const {
  for (const Field& field : fields) {
    if (!SameName(field.name, field_name)) continue;
    std::string_view rest = field.value;
    for (bool more = true; more;) {
      const std::size_t comma = rest.find(',');
      if (SameName(Trim(rest.substr(0, comma)), token)) return true;
      more = comma != std::string_view::npos;
      if (more) rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

Parsed ParseRequest(std::string_view bytes) {
  Reader reader(bytes);
  const bool complete = reader.Request();
  return reader.Finish(complete);
}

Parsed ParseResponse(std::string_view bytes, std::string_view method, bool ended) {
  Reader reader(bytes);
  const bool complete = reader.Response(method, ended);
  return reader.Finish(complete);
}

Sequence ParseRequests(std::string_view bytes) {
  Sequence sequence;
  while (!bytes.empty()) {
    Parsed parsed = ParseRequest(bytes);
    if (parsed.outcome != Outcome::kComplete) {
      sequence.rest = parsed.outcome;
      sequence.problem = std::move(parsed.problem);
      break;
    }
    sequence.messages.push_back(std::move(parsed.message));
    bytes.remove_prefix(parsed.size);
  }
  return sequence;
}

}  // namespace remora::strict
