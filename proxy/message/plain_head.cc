#include "proxy/message/plain_head.h"

#include <algorithm>
#include <utility>

#include "proxy/message/characters.h"

namespace remora::proxy::message {
namespace {

// More digits can be no number of 64 bits, or are a question of how they are read.
constexpr std::size_t kMaxLengthDigits = 18;

// The end of what is a name without doubt: the other token bytes are rare.
const char* FindNameEnd(const char* begin, const char* end) {
  return FindFirst(begin, end, [](Block bytes) {
    return ~(IsAlphanumeric(bytes) | (bytes == '-') | (bytes == '_'));
  });
}

// What Beast looks into a value for: plain is what it can't but accept.
class Values {
 public:
  bool Plain(FieldId id, std::string_view value) {
    switch (id) {
      case FieldId::kConnection:
      case FieldId::kProxyConnection:  // one option
        return !value.empty() && std::ranges::all_of(value, IsTokenByte);
      case FieldId::kContentLength:
        return !std::exchange(framed_, true) && !value.empty() &&
               value.size() <= kMaxLengthDigits && std::ranges::all_of(value, IsDigit);
      case FieldId::kTransferEncoding:
        return !std::exchange(framed_, true);
      default:
        return true;
    }
  }

 private:
  bool framed_ = false;
};

bool IsCrlf(const char* at, const char* end) {
  return end - at >= 2 && at[0] == '\r' && at[1] == '\n';
}

// Takes lines up to the empty one and returns what is behind it; nullptr: one is not plain, or they
// are more than `max_fields`, or not all there.
const char* TakeFields(const char* at, const char* end, std::size_t max_fields, Fields& fields) {
  Values values;
  while (!IsCrlf(at, end)) {
    const char* const begin = at;
    at = FindNameEnd(at, end);
    if (at == end || *at != ':' || at == begin) return nullptr;
    const std::string_view name(begin, at);
    do ++at;
    while (at != end && IsBlank(*at));
    const char* const line_end = FindControl(at, end);
    if (!IsCrlf(line_end, end)) return nullptr;
    const char* value_end = line_end;
    while (value_end != at && IsBlank(value_end[-1])) --value_end;
    const std::string_view value(at, value_end);
    at = line_end + 2;
    const FieldId id = FieldIdOf(name);
    if (fields.size() == max_fields || !values.Plain(id, value)) return nullptr;
    fields.emplace_back(std::string_view(begin, at), name.size(), value, id);
  }
  return at + 2;
}

// "HTTP/1.1" or "HTTP/1.0"
bool TakeVersion(std::string_view text, unsigned& minor_version) {
  if (text != "HTTP/1.1" && text != "HTTP/1.0") return false;
  minor_version = text.back() == '1' ? 1 : 0;
  return true;
}

// `line` is without its CRLF.
bool TakeFirstLine(std::string_view line, RequestHead& head) {
  const char* at = line.data();
  const char* const end = at + line.size();
  while (at != end && IsTokenByte(*at)) ++at;
  if (at == end || *at != ' ' || at == line.data()) return false;
  head.method = {line.data(), at};
  const char* const target = ++at;
  at = FindFirst(at, end, [](Block bytes) { return bytes <= ' '; });
  if (at == end || *at != ' ' || at == target) return false;
  head.target = {target, at};
  return TakeVersion({at + 1, end}, head.minor_version);
}

bool TakeFirstLine(std::string_view line, ResponseHead& head) {
  constexpr std::string_view kForm = "HTTP/1.1 200 ";
  if (line.size() < kForm.size() || line[8] != ' ' || line[12] != ' ') return false;
  if (!TakeVersion(line.substr(0, 8), head.minor_version)) return false;
  head.status = 0;
  for (const char digit : line.substr(9, 3)) {
    if (!IsDigit(digit)) return false;
    head.status = 10 * head.status + static_cast<unsigned>(digit - '0');
  }
  head.reason = line.substr(kForm.size());
  return true;
}

template <class Head>
std::optional<std::size_t> Take(std::string_view bytes, const HeadLimits& limits, Head& head) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* const line_end = FindControl(begin, end);
  if (!IsCrlf(line_end, end) || !TakeFirstLine({begin, line_end}, head)) return std::nullopt;
  const char* const fields = line_end + 2;
  const char* const head_end = TakeFields(fields, end, limits.head_fields, head.fields);
  if (head_end == nullptr) return std::nullopt;
  const auto line_bytes = static_cast<std::size_t>(fields - begin);
  const auto head_bytes = static_cast<std::size_t>(head_end - begin);
  if (line_bytes > limits.request_line_bytes || head_bytes > limits.head_bytes) return std::nullopt;
  return head_bytes;
}

}  // namespace

std::optional<std::size_t> TakePlainHead(std::string_view bytes, const HeadLimits& limits,
                                         RequestHead& head) {
  return Take(bytes, limits, head);
}

std::optional<std::size_t> TakePlainHead(std::string_view bytes, const HeadLimits& limits,
                                         ResponseHead& head) {
  return Take(bytes, limits, head);
}

}  // namespace remora::proxy::message
