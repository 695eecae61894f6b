#include "proxy/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <memory>

namespace remora::log {
namespace {

struct State {
  std::atomic<Level> level = Level::kInfo;
  std::atomic<bool> json = false;
  // spdlog brings the locked sink; the line is built here, as its JSON would not be escaped.
  std::shared_ptr<spdlog::logger> logger = MakeLogger();

  static std::shared_ptr<spdlog::logger> MakeLogger() {
    auto logger = std::make_shared<spdlog::logger>(
        "remora", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::trace);
    return logger;
  }
};

State& GetState() {
  static State state;
  return state;
}

std::string_view Name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
  }
  return "error";
}

// RFC 3339, UTC, milliseconds.
std::string Timestamp() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     now.tv_nsec / 1'000'000);
}

std::string JsonLine(Level level, std::string_view message, Fields fields) {
  std::string line = fmt::format(R"({{"ts":"{}","level":"{}","msg":"{}")", Timestamp(), Name(level),
                                 JsonEscape(message));
  for (const Field& field : fields) {
    line += fmt::format(R"(,"{}":"{}")", field.key, JsonEscape(field.value));
  }
  return line + "}";
}

std::string TextLine(Level level, std::string_view message, Fields fields) {
  std::string line = fmt::format("{} {:<5} {}", Timestamp(), Name(level), JsonEscape(message));
  for (const Field& field : fields) {
    const bool plain =
        !field.value.empty() && field.value.find_first_of(" \"=") == std::string::npos;
    const std::string value = JsonEscape(field.value);
    line += plain ? fmt::format(" {}={}", field.key, value)
                  : fmt::format(" {}=\"{}\"", field.key, value);
  }
  return line;
}

}  // namespace

void Init(Level level, Format format) {
  State& state = GetState();
  state.level = level;
  state.json = format == Format::kJson || (format == Format::kAuto && isatty(STDERR_FILENO) == 0);
}

bool Enabled(Level level) { return level >= GetState().level; }

void Write(Level level, std::string_view message, Fields fields) {
  if (!Enabled(level)) return;
  State& state = GetState();
  state.logger->info(state.json ? JsonLine(level, message, fields)
                                : TextLine(level, message, fields));
  state.logger->flush();
}

std::string JsonEscape(std::string_view value) {
  std::string escaped;
  escaped.reserve(value.size());
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      escaped += '\\';
      escaped += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      escaped += fmt::format("\\u{:04x}", byte);
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace remora::log
