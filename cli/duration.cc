#include "cli/duration.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

namespace remora::cli {
namespace {

constexpr double kMaxMs = 24.0 * 3600 * 1000;

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
// In the order in which they are tried: "ms" before "m", as both start alike.
constexpr std::array kUnits = {Unit{"h", 3'600'000}, Unit{"ms", 1}, Unit{"m", 60'000},
                               Unit{"s", 1'000}};

std::unexpected<std::string> Wrong(std::string_view text, std::string_view why) {
  return std::unexpected("'" + std::string(text) + "' is not a duration: " + std::string(why));
}

const Unit* UnitAtStart(std::string_view text) {
  for (const Unit& unit : kUnits) {
    if (text.starts_with(unit.name)) return &unit;
  }
  return nullptr;
}

}  // namespace

std::expected<std::chrono::milliseconds, std::string> ParseDuration(std::string_view text) {
  if (text.empty()) return Wrong(text, "it is empty; write for example 5s");
  if (text == "0") return std::chrono::milliseconds(0);
  double total_ms = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    double number = 0;
    // Only digits and a point: no sign, no exponent, no "inf".
    const std::size_t length = rest.find_first_not_of("0123456789.");
    const std::string_view digits = rest.substr(0, length);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      return Wrong(text, "write for example 500ms, 5s or 1m30s");
    }
    rest.remove_prefix(digits.size());
    const Unit* unit = UnitAtStart(rest);
    if (unit == nullptr) return Wrong(text, "each number needs a unit: ms, s, m or h");
    rest.remove_prefix(unit->name.size());
    total_ms += number * static_cast<double>(unit->ms);
    if (total_ms > kMaxMs) return Wrong(text, "the longest is 24h");
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(total_ms + 0.5));
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  constexpr std::array kDescending = {kUnits[0], kUnits[2], kUnits[3], kUnits[1]};
  std::string text;
  std::int64_t rest = duration.count();
  for (const Unit& unit : kDescending) {
    const std::int64_t count = rest / unit.ms;
    if (count == 0) continue;
    text += std::to_string(count) + std::string(unit.name);
    rest %= unit.ms;
  }
  return text.empty() ? "0s" : text;
}

}  // namespace remora::cli
