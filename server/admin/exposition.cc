#include "server/admin/exposition.h"

#include <array>
#include <charconv>

namespace remora::server {
namespace {

constexpr std::string_view kTotal = "_total";

// The shortest text that is this number again.
std::string Number(double value) {
  std::array<char, 32> text;
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

// OpenMetrics wants a point in the bounds of buckets; the same in both, so that a change of format
// makes no new series.
std::string Bound(double value) {
  std::array<char, 32> text;
  const auto result =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  std::string bound(text.data(), result.ptr);
  if (bound.find('.') == std::string::npos) bound += ".0";
  return bound;
}

void AppendEscaped(std::string_view value, std::string& out) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

std::string_view TypeName(Exposition::Type type) {
  switch (type) {
    case Exposition::Type::kCounter:
      return "counter";
    case Exposition::Type::kGauge:
      return "gauge";
    case Exposition::Type::kHistogram:
      return "histogram";
  }
  return "gauge";
}

}  // namespace

void Exposition::Begin(std::string_view name, Type type, std::string_view help) {
  name_ = name;
  std::string_view family = name;
  if (open_metrics_ && type == Type::kCounter) family.remove_suffix(kTotal.size());
  for (const auto& [what, text] : {std::pair("HELP", help), std::pair("TYPE", TypeName(type))}) {
    out_ += "# ";
    out_ += what;
    out_ += ' ';
    out_ += family;
    out_ += ' ';
    out_ += text;
    out_ += '\n';
  }
}

void Exposition::Sample(Labels labels, std::uint64_t value) {
  Line("", labels, "", std::to_string(value));
}

void Exposition::Sample(Labels labels, double value) { Line("", labels, "", Number(value)); }

void Exposition::Sample(Labels labels, const proxy::HistogramValues& values) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < proxy::kDurationBounds.size(); ++i) {
    below += values.buckets[i];
    Line("_bucket", labels, Bound(proxy::kDurationBounds[i]), std::to_string(below));
  }
  const std::string count = std::to_string(values.Count());
  Line("_bucket", labels, "+Inf", count);
  Line("_sum", labels, "", Number(static_cast<double>(values.sum_us) / 1e6));
  Line("_count", labels, "", count);
}

void Exposition::Line(std::string_view suffix, Labels labels, std::string_view le,
                      std::string_view value) {
  out_ += name_;
  out_ += suffix;
  char separator = '{';
  const auto label = [&](std::string_view key, std::string_view text) {
    out_ += separator;
    separator = ',';
    out_ += key;
    out_ += "=\"";
    AppendEscaped(text, out_);
    out_ += '"';
  };
  for (const auto& [key, text] : labels) label(key, text);
  if (!le.empty()) label("le", le);
  if (separator == ',') out_ += '}';
  out_ += ' ';
  out_ += value;
  out_ += '\n';
}

std::string Exposition::Finish() {
  if (open_metrics_) out_ += "# EOF\n";
  return std::move(out_);
}

}  // namespace remora::server
