#include "server/admin/json.h"

#include <chrono>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proxy/base/abseil.h"
#include "proxy/base/log.h"
#include "proxy/base/status.h"
#include "proxy/base/utc_time.h"

namespace remora::server {
namespace {

// Of a second; empty where it is none.
std::string Fraction(std::int64_t nanos) {
  if (nanos % 1'000 != 0) return absl::StrFormat(".%09d", nanos);
  if (nanos % 1'000'000 != 0) return absl::StrFormat(".%06d", nanos / 1'000);
  if (nanos != 0) return absl::StrFormat(".%03d", nanos / 1'000'000);
  return {};
}

}  // namespace

std::string JsonText(std::string_view text) {
  return absl::StrCat(
      "\"",
      IsUtf8(text) ? log::JsonEscape(text) : log::JsonEscape(Shown(text, 4 * text.size() + 3)),
      "\"");
}

std::string JsonTime(proxy::WallTime time) {
  const auto since_epoch = time.time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch - whole).count();
  std::string text = "\"";
  proxy::AppendUtcSeconds(whole.count(), text);
  absl::StrAppend(&text, Fraction(nanos), "Z\"");
  return text;
}

std::string JsonMilliseconds(double milliseconds) {
  const std::int64_t nanos = std::llround(milliseconds * 1'000'000);
  return absl::StrFormat("\"%d%ss\"", nanos / 1'000'000'000, Fraction(nanos % 1'000'000'000));
}

JsonObject& JsonObject::Text(std::string_view key, std::string_view value) {
  return Raw(key, JsonText(value));
}

JsonObject& JsonObject::Number(std::string_view key, std::uint64_t value) {
  return Raw(key, absl::StrCat(value));
}

JsonObject& JsonObject::Real(std::string_view key, double value) {
  return Raw(key, absl::StrFormat("%.3f", value));
}

JsonObject& JsonObject::Bool(std::string_view key, bool value) {
  return Raw(key, value ? "true" : "false");
}

JsonObject& JsonObject::Raw(std::string_view key, std::string_view json) {
  absl::StrAppend(&text_, text_.size() > 1 ? "," : "", "\"", ToAbsl(key), "\":", ToAbsl(json));
  return *this;
}

void JsonArray::Add(std::string_view json) {
  absl::StrAppend(&text_, text_.size() > 1 ? "," : "", ToAbsl(json));
}

}  // namespace remora::server
