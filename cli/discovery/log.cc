#include "cli/discovery/log.h"

#include <array>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace remora::cli::discovery {
namespace {

// RFC 3339, UTC, milliseconds.
std::string Timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                      now - std::chrono::system_clock::from_time_t(seconds))
                      .count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%FT%T", &parts);
  std::snprintf(text.data() + length, text.size() - length, ".%03dZ", static_cast<int>(ms));
  return text.data();
}

// With its quotes.
std::string Quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string(text.data(), text.size()));
}

bool IsPlain(std::string_view text) {
  constexpr auto kSpecial = [](unsigned char c) {
    return c <= ' ' || c == 0x7f || c == '"' || c == '\\' || c == '=';
  };
  for (const char c : text) {
    if (kSpecial(static_cast<unsigned char>(c))) return false;
  }
  return !text.empty();
}

}  // namespace

std::string OneLine(const Failure& failure) {
  std::string text = failure.message;
  for (const FieldViolation& one : failure.violations) {
    text += (text.ends_with(':') ? " " : "; ") + one.field + ": " + one.description;
  }
  return text;
}

void Log::Write(std::string_view level, std::string_view message, Fields fields) {
  std::string line;
  if (format_ == Format::kJson) {
    line = R"({"ts":")" + Timestamp() + R"(","level":")" + std::string(level) + R"(","msg":)" +
           Quoted(message);
    for (const auto& [key, value] : fields) line += "," + Quoted(key) + ":" + Quoted(value);
    line += "}";
  } else {
    line = Timestamp() + " " + std::string(level) + (level.size() < 5 ? "  " : " ") +
           std::string(message);
    for (const auto& [key, value] : fields) {
      line += " " + std::string(key) + "=" + (IsPlain(value) ? value : Quoted(value));
    }
  }
  out_ << line << std::endl;
}

}  // namespace remora::cli::discovery
