// Finds the end of a head in the bytes read so far, refuses what is not strictly HTTP/1, and takes
// the rest apart into spans.
//
// Two steps: a scan over the raw bytes that knows only lines (bare CR or LF, control bytes,
// continuation lines, limits), and then Beast's parser, which checks the grammar of what is left. A
// head that neither could refuse, as most are, takes neither (plain_head.h).
// Beast 1.81 alone accepts 41 of 162 requests that must be refused; rules.h has the rest of the
// guard. Pure. A parser serves one head at a time; Reset makes it ready for the next.
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>

#include "proxy/base/error.h"
#include "proxy/message/head.h"
#include "proxy/message/head_limits.h"

namespace remora::proxy::message {

// Splits raw bytes into lines, byte by byte over any number of calls.
class HeadScanner {
 public:
  enum class Outcome : std::uint8_t { kNeedMore, kComplete, kFailed };

  // `bytes`: all of the head read so far, from its first byte. Work is proportional to what is new.
  Outcome Scan(std::string_view bytes, const HeadLimits& limits);

  // Nothing has been scanned since Reset.
  bool fresh() const { return position_ == 0 && scanned_ == 0; }
  // After kComplete: where the head starts (behind one empty line that is passed over, RFC 9112
  // section 2.2) and how many bytes it takes, that line included.
  std::size_t start() const { return start_; }
  std::size_t size() const { return position_; }
  // After kFailed.
  ErrorKind error() const { return error_; }
  const char* detail() const { return detail_; }
  Limit limit() const { return limit_; }

  // `empty_line_passed`: the one that may stand before the head has been taken away already.
  void Reset(bool empty_line_passed = false) {
    *this = HeadScanner();
    empty_line_passed_ = empty_line_passed;
  }

 private:
  Outcome Fail(ErrorKind kind, const char* detail, Limit limit = Limit::kNone);
  // `bytes`: how long the head is, or has become so far; `line_bytes`: its last line.
  bool CheckLength(std::size_t bytes, std::size_t line_bytes, const HeadLimits& limits);
  bool CheckLine(std::string_view line);
  std::size_t FindLineEnd(std::string_view bytes);

  std::size_t start_ = 0;
  std::size_t position_ = 0;  // start of the line that is not complete yet
  std::size_t scanned_ = 0;   // bytes of it that are known to be no LF, nor control unless:
  bool control_ = false;      // it has a control byte, which is told of once it is complete
  std::size_t lines_ = 0;
  bool empty_line_passed_ = false;
  ErrorKind error_ = ErrorKind::kBadRequest;
  const char* detail_ = "";
  Limit limit_ = Limit::kNone;
};

// The bytes that a head took; nullopt: more are needed.
using ParsedSize = std::optional<std::size_t>;

// Errors are as for a request; the reader of a response turns each into kUpstreamBadResponse.
Result<ParsedSize> ParseRequestHead(HeadScanner& scanner, std::string_view bytes,
                                    const HeadLimits& limits, RequestHead& head);
Result<ParsedSize> ParseResponseHead(HeadScanner& scanner, std::string_view bytes,
                                     const HeadLimits& limits, ResponseHead& head);

// One "name: value" line without its CRLF; nullopt if it is not one (used for trailers).
std::optional<Field> ParseFieldLine(std::string_view line);

}  // namespace remora::proxy::message
