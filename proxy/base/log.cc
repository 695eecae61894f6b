#include "proxy/base/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/abseil.h"
#include "proxy/base/byte_scan.h"
#include "proxy/base/utc_time.h"

namespace remora::log {
namespace {

// What poll(2) promises for a pipe: so much can be written without blocking (PIPE_BUF).
constexpr std::size_t kMaxLine = 4096;

struct State {
  std::atomic<Level> level = Level::kInfo;
  std::atomic<bool> json = false;
  absl::Mutex mu;
  std::uint64_t dropped ABSL_GUARDED_BY(mu) = 0;
};

State& GetState() {
  static State state;
  return state;
}

// Most lines have no more: with 1,000 servers thousands are written at the start.
constexpr std::size_t kUsualLine = 384;

// RFC 3339, UTC, milliseconds.
void AppendTimestamp(std::string& line) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  proxy::AppendUtcSeconds(now.tv_sec, line);
  absl::StrAppend(&line, ".", absl::Dec(now.tv_nsec / 1'000'000, absl::kZeroPad3), "Z");
}

void AppendEscaped(std::string_view value, std::string& out) {
  const char* const end = value.data() + value.size();
  for (const char* at = value.data(); at != end; ++at) {
    const char* const plain_end = proxy::FindFirst(at, end, [](proxy::Block bytes) {
      return (bytes < 0x20) | (bytes == 0x7f) | (bytes == '"') | (bytes == '\\');
    });
    out.append(at, plain_end);
    if (plain_end == end) return;
    at = plain_end;
    if (*at == '"' || *at == '\\') {
      out += '\\';
      out += *at;
    } else {
      absl::StrAppend(&out, "\\u", absl::Hex(static_cast<unsigned char>(*at), absl::kZeroPad4));
    }
  }
}

std::string JsonLine(Level level, std::string_view message, Fields fields) {
  std::string line;
  line.reserve(kUsualLine);
  line += R"({"ts":")";
  AppendTimestamp(line);
  line.append(R"(","level":")").append(LevelName(level)).append(R"(","msg":")");
  AppendEscaped(message, line);
  for (const Field& field : fields) {
    line.append(R"(",")").append(field.key).append(R"(":")");
    AppendEscaped(field.value, line);
  }
  line += "\"}\n";
  return line;
}

std::string TextLine(Level level, std::string_view message, Fields fields) {
  std::string line;
  line.reserve(kUsualLine);
  AppendTimestamp(line);
  absl::StrAppendFormat(&line, " %-5s ", ToAbsl(LevelName(level)));
  AppendEscaped(message, line);
  for (const Field& field : fields) {
    const bool plain =
        !field.value.empty() && field.value.find_first_of(" \"=") == std::string::npos;
    const char* quote = plain ? "" : "\"";
    line.append(" ").append(field.key).append("=").append(quote);
    AppendEscaped(field.value, line);
    line += quote;
  }
  line += "\n";
  return line;
}

std::string MakeLine(Level level, std::string_view message, Fields fields) {
  std::string line =
      GetState().json ? JsonLine(level, message, fields) : TextLine(level, message, fields);
  if (line.size() <= kMaxLine) return line;
  // Cut where it is still a line of its format: without its fields, with as much of the message.
  return MakeLine(level, message.substr(0, std::min<std::size_t>(message.size(), 500)), {});
}

// False if it would have to wait for the reader.
bool WriteNow(const std::string& line) {
  pollfd stderr_fd{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&stderr_fd, 1, 0) != 1 || (stderr_fd.revents & POLLOUT) == 0) return false;
  return write(STDERR_FILENO, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

// `lines`: whole ones, `count` of them, that go out in one piece.
void PutOut(const std::string& lines, std::uint64_t count) {
  State& state = GetState();
  absl::MutexLock lock(&state.mu);
  if (state.dropped != 0) {
    const Field dropped("lines", state.dropped);
    if (WriteNow(MakeLine(Level::kWarn, "log lines were dropped: nobody read them", {dropped}))) {
      state.dropped = 0;
    }
  }
  if (state.dropped != 0 || !WriteNow(lines)) state.dropped += count;
}

thread_local Together* together = nullptr;  // the outermost of this thread

}  // namespace

void Init(Level level, Format format) {
  State& state = GetState();
  state.level = level;
  state.json = format == Format::kJson || (format == Format::kAuto && isatty(STDERR_FILENO) == 0);
}

void SetLevel(Level level) { GetState().level = level; }

Level CurrentLevel() { return GetState().level; }

std::string_view LevelName(Level level) {
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

std::optional<Level> ParseLevel(std::string_view name) {
  for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError}) {
    if (LevelName(level) == name) return level;
  }
  return std::nullopt;
}

bool Enabled(Level level) { return level >= GetState().level; }

void Write(Level level, std::string_view message, Fields fields) {
  if (!Enabled(level)) return;
  const std::string line = MakeLine(level, message, fields);
  if (together != nullptr) return together->Add(line);
  PutOut(line, 1);
}

Together::Together() {
  if (together == nullptr) together = this;
}

Together::~Together() {
  if (together != this) return;
  together = nullptr;
  PutOut();
}

void Together::Add(const std::string& line) {
  if (lines_.size() + line.size() > kMaxLine) PutOut();
  lines_ += line;
  ++count_;
}

void Together::PutOut() {
  if (count_ != 0) log::PutOut(lines_, count_);
  lines_.clear();
  count_ = 0;
}

std::string JsonEscape(std::string_view value) {
  std::string escaped;
  escaped.reserve(value.size());
  AppendEscaped(value, escaped);
  return escaped;
}

}  // namespace remora::log
