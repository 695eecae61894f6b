#include "proxy/message/trace_context.h"

#include <algorithm>

namespace remora::proxy::message {
namespace {

// version "-" trace-id "-" parent-id "-" flags
constexpr std::size_t kVersionEnd = 2;
constexpr std::size_t kTraceIdBegin = 3;
constexpr std::size_t kTraceIdLength = 32;
constexpr std::size_t kParentIdBegin = 36;
constexpr std::size_t kParentIdLength = 16;
constexpr std::size_t kFlagsBegin = 53;
constexpr std::size_t kLength = 55;

bool IsHex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

// Section 3.2: a version that we don't know may have more behind the flags.
std::string_view ParseTraceId(std::string_view value) {
  if (value.size() < kLength) return {};
  const std::string_view version = value.substr(0, kVersionEnd);
  if (!IsHex(version) || version == "ff") return {};
  if (value.size() > kLength && (version == "00" || value[kLength] != '-')) return {};
  if (value[kVersionEnd] != '-' || value[kParentIdBegin - 1] != '-' ||
      value[kFlagsBegin - 1] != '-') {
    return {};
  }
  const std::string_view trace_id = value.substr(kTraceIdBegin, kTraceIdLength);
  const std::string_view parent_id = value.substr(kParentIdBegin, kParentIdLength);
  if (!IsHex(trace_id) || IsZero(trace_id) || !IsHex(parent_id) || IsZero(parent_id) ||
      !IsHex(value.substr(kFlagsBegin, 2))) {
    return {};
  }
  return trace_id;
}

}  // namespace

std::string_view TraceId(const RequestHead& head) {
  const Field* found = nullptr;
  for (const Field& field : head.fields) {
    if (!EqualsIgnoreCase(field.name(), "traceparent")) continue;
    if (found != nullptr) return {};
    found = &field;
  }
  return found == nullptr ? std::string_view() : ParseTraceId(found->value());
}

}  // namespace remora::proxy::message
