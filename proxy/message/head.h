// The head of a request or response as spans into the bytes it was read from: nothing is copied,
// and what is forwarded are the peer's own lines.
//
// Values, no threads. Lifetime: every string_view points into the buffer that was parsed; a head
// must not outlive it, and the buffer must not move meanwhile.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/container/inlined_vector.h"

namespace remora::proxy::message {

// The fields that Remora acts on; all others are kOther and pass unchanged.
enum class FieldId : std::uint8_t {
  kOther,
  kConnection,
  kContentLength,
  kDate,
  kExpect,
  kForwarded,
  kHost,
  kHttp2Settings,
  kKeepAlive,
  kMaxForwards,
  kProxyConnection,
  kTe,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kVia,
  kXForwardedFor,
  kXForwardedHost,
  kXForwardedProto,
  kXRequestId
};

// One line of a head. 24 bytes, not three views and 56: the heads of all requests under way share
// the caches with what the kernel needs for their sockets.
class Field {
 public:
  // `line` begins with the name; it has its CRLF, in a head. `value` lies in it, without the blanks
  // around it. Up to 16 MiB: no limit of a head or of trailers can be set above 1 MiB.
  Field(std::string_view line, std::size_t name_size, std::string_view value, FieldId id)
      : line_(line.data()),
        line_size_(static_cast<std::uint32_t>(line.size())),
        value_size_(static_cast<std::uint32_t>(value.size())),
        name_size_(static_cast<std::uint32_t>(name_size) & kMaxSize),
        id_(id),
        value_begin_(static_cast<std::uint32_t>(value.data() - line.data()) & kMaxSize) {
    assert(line.size() <= kMaxSize && name_size <= line.size());
    assert(value.data() >= line.data() && value.data() + value.size() <= line.data() + line.size());
  }

  std::string_view name() const { return {line_, name_size_}; }
  std::string_view value() const { return {line_ + value_begin_, value_size_}; }
  std::string_view line() const { return {line_, line_size_}; }
  FieldId id() const { return id_; }
  // It stops here.
  bool dropped() const { return dropped_; }
  void Drop() { dropped_ = true; }

 private:
  static constexpr std::uint32_t kMaxSize = (1U << 24) - 1;

  const char* line_;
  std::uint32_t line_size_;
  std::uint32_t value_size_;
  // What is asked for most is behind each of these, in the byte that they leave.
  std::uint32_t name_size_ : 24;
  FieldId id_;
  std::uint32_t value_begin_ : 24;
  bool dropped_ = false;
};
static_assert(sizeof(Field) == 24);

using Fields = absl::InlinedVector<Field, 24>;

enum class Framing : std::uint8_t {
  kNone,        // no body
  kLength,      // `length` bytes
  kChunked,     // until the last chunk
  kUntilClose,  // responses only
  kTunnel       // after an upgrade: bytes until each side closes
};

struct RequestHead {
  std::string_view method;
  std::string_view target;     // as received
  std::string_view path;       // path and query: what is forwarded after the prefix
  std::string_view authority;  // from Host or the absolute form; empty in HTTP/1.0 without Host
  unsigned minor_version = 1;
  Fields fields;

  // What the rules found (rules.h).
  Framing framing = Framing::kNone;
  std::uint64_t length = 0;
  bool keep_alive = true;
  bool has_host = false;
  bool expects_continue = false;
  bool wants_trailers = false;   // TE: trailers
  bool wants_websocket = false;  // Upgrade: websocket, asked as RFC 6455 says
  std::string_view request_id;   // the client's, if it may be kept
  // Max-Forwards of an OPTIONS request: 0 means that it is answered here.
  std::optional<std::uint64_t> max_forwards;

  bool is_head() const { return method == "HEAD"; }
  // RFC 9110 section 9.2.2: doing it twice is the same as doing it once.
  bool is_idempotent() const {
    return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
           method == "DELETE";
  }
};

struct ResponseHead {
  unsigned status = 0;
  std::string_view reason;
  unsigned minor_version = 1;
  Fields fields;

  // What the rules found.
  Framing framing = Framing::kNone;
  std::uint64_t length = 0;
  bool keep_alive = true;
  bool has_date = false;

  bool is_interim() const { return status >= 100 && status < 200 && status != 101; }
};

// Of a field's name, whatever its case. `name` has token bytes only.
FieldId FieldIdOf(std::string_view name);

bool EqualsIgnoreCase(std::string_view a, std::string_view b);

// Calls `visit(token)` for each non-empty member of a comma-separated list.
template <class Visit>
void ForEachToken(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view token = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    while (!token.empty() && (token.front() == ' ' || token.front() == '\t'))
      token.remove_prefix(1);
    while (!token.empty() && (token.back() == ' ' || token.back() == '\t')) token.remove_suffix(1);
    if (!token.empty()) visit(token);
  }
}

}  // namespace remora::proxy::message
