#include "proxy/message/head_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <cstring>

#include "proxy/message/characters.h"
#include "proxy/message/plain_head.h"

namespace remora::proxy::message {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using error_code = boost::system::error_code;

std::string_view Std(beast::string_view text) { return {text.data(), text.size()}; }

// Feeds one complete head to Beast and records where its parts lie. Framing is decided by rules.h,
// never by Beast, so that its body callbacks are never reached.
template <bool kIsRequest, class Head>
class SpanParser final : public http::basic_parser<kIsRequest> {
 public:
  SpanParser(Head& head, std::string_view bytes) : head_(head), bytes_(bytes) {
    this->header_limit(static_cast<std::uint32_t>(bytes.size() + 1));
    this->body_limit(boost::none);
    this->skip(true);
  }

  error_code Run() {
    error_code error;
    this->put(boost::asio::const_buffer(bytes_.data(), bytes_.size()), error);
    if (!error && !this->is_header_done()) error = http::error::partial_message;
    return error;
  }

 private:
  void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                       int version, error_code&) override {
    if constexpr (kIsRequest) {
      head_.method = Std(method);
      head_.target = Std(target);
      head_.minor_version = static_cast<unsigned>(version % 10);
    }
  }

  void on_response_impl(int code, beast::string_view reason, int version, error_code&) override {
    if constexpr (!kIsRequest) {
      head_.status = static_cast<unsigned>(code);
      head_.reason = Std(reason);
      head_.minor_version = static_cast<unsigned>(version % 10);
    }
  }

  void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                     error_code& error) override {
    const char* const begin = name.data();
    const auto* const end = static_cast<const char*>(
        std::memchr(begin, '\n', static_cast<std::size_t>(bytes_.data() + bytes_.size() - begin)));
    if (end == nullptr) {
      error = http::error::bad_line_ending;
      return;
    }
    // Beast may hand out an empty value that points elsewhere.
    const std::string_view inside = value.empty() ? std::string_view(end - 1, 0) : Std(value);
    head_.fields.emplace_back(std::string_view(begin, end + 1), name.size(), inside,
                              FieldIdOf(Std(name)));
  }

  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view, error_code& error) override {
    error = http::error::unexpected_body;
    return 0;
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view, error_code& error) override {
    error = http::error::unexpected_body;
    return 0;
  }
  void on_finish_impl(error_code&) override {}

  Head& head_;
  std::string_view bytes_;
};

// Names are short: a look at the first 16 bytes instead of a call finds most colons.
bool HasColon(std::string_view line) {
  const auto is_colon = [](Block bytes) { return bytes == ':'; };
  if (line.size() >= kBlock && BitsOf(is_colon(LoadBlock(line.data()))) != 0) return true;
  return line.contains(':');
}

std::string_view FirstLine(std::string_view head) { return head.substr(0, head.find('\r')); }

// The line ends as RFC 9112 section 2.3 wants, but with another version than ours. HTTP/0.9 had
// none to write.
bool EndsWithOtherVersion(std::string_view line) {
  constexpr std::string_view kForm = " HTTP/d.d";
  if (line.size() < kForm.size()) return false;
  line.remove_prefix(line.size() - kForm.size());
  return line != " HTTP/1.0" && line != " HTTP/1.1" && !line.starts_with(" HTTP/0") &&
         std::ranges::equal(line, kForm,
                            [](char c, char form) { return form == 'd' ? IsDigit(c) : c == form; });
}

void SetMethod(RequestHead& head, std::string_view method) { head.method = method; }
void SetMethod(ResponseHead&, std::string_view) {}

template <bool kIsRequest, class Head>
Result<ParsedSize> ParseBytes(HeadScanner& scanner, std::string_view bytes,
                              const HeadLimits& limits, Head& head) {
  // Of a head that comes in one piece and is plain no byte is looked at twice, and none by Beast:
  // 22,700 -> 9,300 instructions for a request and its answer.
  if (scanner.fresh()) {
    head = Head{};
    if (const ParsedSize size = TakePlainHead(bytes, limits, head)) return size;
    head = Head{};  // nothing is known of it yet
  }
  const Side side = kIsRequest ? Side::kDownstream : Side::kUpstream;
  switch (scanner.Scan(bytes, limits)) {
    case HeadScanner::Outcome::kNeedMore:
      return std::nullopt;
    case HeadScanner::Outcome::kFailed:
      return FailAt(scanner.limit(), scanner.error(), side, scanner.detail());
    case HeadScanner::Outcome::kComplete:
      break;
  }
  if (!kIsRequest && scanner.start() != 0) {
    return Fail(ErrorKind::kBadRequest, side, "an empty line before the status line");
  }
  head = Head{};
  const std::string_view head_bytes =
      bytes.substr(scanner.start(), scanner.size() - scanner.start());
  SpanParser<kIsRequest, Head> parser(head, head_bytes);
  const error_code error = parser.Run();
  if (!error) return scanner.size();
  if (error == http::error::bad_version) {
    if (kIsRequest && !EndsWithOtherVersion(FirstLine(head_bytes))) {
      return Fail(ErrorKind::kBadRequest, side, "the request line is not `method target version`");
    }
    return Fail(ErrorKind::kVersionNotSupported, side, "only HTTP/1.0 and HTTP/1.1 are spoken");
  }
  if (error == http::error::bad_method) return Fail(ErrorKind::kBadRequest, side, "bad method");
  if (error == http::error::bad_target) return Fail(ErrorKind::kBadRequest, side, "bad target");
  if (error == http::error::bad_content_length) {
    return Fail(ErrorKind::kBadRequest, side, "bad Content-Length");
  }
  if (error == http::error::bad_transfer_encoding) {
    return Fail(ErrorKind::kBadRequest, side, "bad Transfer-Encoding");
  }
  return Fail(ErrorKind::kBadRequest, side, "bad start line or field");
}

template <bool kIsRequest, class Head>
Result<ParsedSize> ParseHead(HeadScanner& scanner, std::string_view bytes, const HeadLimits& limits,
                             Head& head) {
  auto parsed = ParseBytes<kIsRequest>(scanner, bytes, limits, head);
  // The refusal of a HEAD has no body either, whatever it is refused for, and be it that the rest
  // of its head never comes.
  const bool accepted = parsed && *parsed;
  if (kIsRequest && !accepted && bytes.substr(scanner.start()).starts_with("HEAD ")) {
    SetMethod(head, "HEAD");
  }
  return parsed;
}

}  // namespace

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return std::ranges::equal(a, b, [&](char x, char y) { return x == y || lower(x) == lower(y); });
}

HeadScanner::Outcome HeadScanner::Fail(ErrorKind kind, const char* detail, Limit limit) {
  error_ = kind;
  detail_ = detail;
  limit_ = limit;
  return Outcome::kFailed;
}

bool HeadScanner::CheckLength(std::size_t bytes, std::size_t line_bytes, const HeadLimits& limits) {
  if (lines_ == 0 && line_bytes > std::min(limits.request_line_bytes, limits.head_bytes)) {
    Fail(ErrorKind::kUriTooLong, "the first line is longer than request_line_bytes",
         Limit::kRequestLine);
    return false;
  }
  if (bytes > limits.head_bytes) {
    Fail(ErrorKind::kHeadersTooLarge, "the head is longer than head_bytes", Limit::kHeadBytes);
    return false;
  }
  return true;
}

// `line` ends with its LF.
bool HeadScanner::CheckLine(std::string_view line) {
  if (line.size() < 2 || line[line.size() - 2] != '\r') {
    Fail(ErrorKind::kBadRequest, "a line ends with LF instead of CRLF");
    return false;
  }
  if (IsBlank(line.front())) {
    Fail(ErrorKind::kBadRequest, "a line starts with a blank (obsolete line folding)");
    return false;
  }
  if (control_) {
    Fail(ErrorKind::kBadRequest, "a control byte in the head");
    return false;
  }
  return true;
}

// Of the line that starts at position_; npos: it is not complete. Sets control_ if there is a
// control byte before its CRLF. One pass, 16 bytes at a time: 34,900 -> 26,100 instructions for a
// request and its answer, against a memchr for the LF and a loop for control bytes.
std::size_t HeadScanner::FindLineEnd(std::string_view bytes) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* const from = begin + position_ + scanned_;
  if (!control_) {
    const char* const stop = FindControl(from, end);
    const auto index = static_cast<std::size_t>(stop - begin);
    if (end - stop >= 2 && stop[0] == '\r' && stop[1] == '\n') return index + 2;
    scanned_ = index - position_;
    // A CR at the end may be that of the line's end.
    if (stop == end || (end - stop == 1 && *stop == '\r')) return std::string_view::npos;
    control_ = *stop != '\n';
  }
  const std::size_t found = bytes.find('\n', position_ + scanned_);
  if (found != std::string_view::npos) return found + 1;
  scanned_ = bytes.size() - position_;
  return found;
}

HeadScanner::Outcome HeadScanner::Scan(std::string_view bytes, const HeadLimits& limits) {
  for (;;) {
    const std::size_t end = FindLineEnd(bytes);
    if (end == std::string_view::npos) {
      return CheckLength(bytes.size(), bytes.size() - position_, limits) ? Outcome::kNeedMore
                                                                         : Outcome::kFailed;
    }
    const std::string_view line = bytes.substr(position_, end - position_);
    if (!CheckLength(end, line.size(), limits)) return Outcome::kFailed;
    if (!CheckLine(line)) return Outcome::kFailed;
    position_ = end;
    scanned_ = 0;
    control_ = false;
    if (line.size() == 2) {
      if (lines_ != 0) return Outcome::kComplete;
      if (empty_line_passed_) {
        return Fail(ErrorKind::kBadRequest, "empty lines before the request line");
      }
      empty_line_passed_ = true;
      start_ = end;
      continue;
    }
    if (lines_ != 0 && !HasColon(line)) {
      // Said now: the rest of the head may never come.
      return Fail(ErrorKind::kBadRequest, "a line without a colon");
    }
    ++lines_;
    if (lines_ - 1 > limits.head_fields) {
      return Fail(ErrorKind::kHeadersTooLarge, "more fields than head_fields", Limit::kHeadFields);
    }
  }
}

Result<ParsedSize> ParseRequestHead(HeadScanner& scanner, std::string_view bytes,
                                    const HeadLimits& limits, RequestHead& head) {
  return ParseHead<true>(scanner, bytes, limits, head);
}

Result<ParsedSize> ParseResponseHead(HeadScanner& scanner, std::string_view bytes,
                                     const HeadLimits& limits, ResponseHead& head) {
  return ParseHead<false>(scanner, bytes, limits, head);
}

std::optional<Field> ParseFieldLine(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const std::string_view name = line.substr(0, colon);
  if (!std::ranges::all_of(name, IsTokenByte)) return std::nullopt;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && IsBlank(value.front())) value.remove_prefix(1);
  while (!value.empty() && IsBlank(value.back())) value.remove_suffix(1);
  if (std::ranges::any_of(value, IsControl)) return std::nullopt;
  return Field(line, name.size(), value, FieldIdOf(name));
}

}  // namespace remora::proxy::message
