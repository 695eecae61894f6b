// The process's own log: one line an event, to stderr (access logs are something else).
//
// Thread-safe, and never waits: a line that the reader of stderr leaves no room for is dropped and
// counted, as a full pipe must not stop probes, RPCs or a shutdown. (Logging libraries block there,
// or need a thread that blocks at the end; this is why none is used.)
// Init may be called again (tests); before it, lines go to stderr at `info`, as text. Values are
// escaped, so that nothing a peer sends can forge a line or colour a terminal. A line has at most
// 4096 bytes; a longer one loses its fields.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace remora::log {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class Format {
  kAuto,  // text when stderr is a terminal, else JSON
  kText,
  kJson
};

void Init(Level level, Format format);

// From now on; any thread, at any time.
void SetLevel(Level level);
Level CurrentLevel();

std::string_view LevelName(Level level);  // "debug"
std::optional<Level> ParseLevel(std::string_view name);

struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  Field(std::string_view k, Number v) : key(k), value(std::to_string(v)) {}
};
using Fields = std::initializer_list<Field>;

bool Enabled(Level level);
void Write(Level level, std::string_view message, Fields fields);

inline void Debug(std::string_view message, Fields fields = {}) {
  if (Enabled(Level::kDebug)) Write(Level::kDebug, message, fields);
}
inline void Info(std::string_view message, Fields fields = {}) {
  Write(Level::kInfo, message, fields);
}
inline void Warn(std::string_view message, Fields fields = {}) {
  Write(Level::kWarn, message, fields);
}
inline void Error(std::string_view message, Fields fields = {}) {
  Write(Level::kError, message, fields);
}

// While one lives, lines of its thread are held back and go out some at a time, for who writes
// many at once (0.6 instead of 2.7 us of system time a line). Short-lived, and not for what waits.
class Together {
 public:
  Together();
  ~Together();
  Together(const Together&) = delete;
  Together& operator=(const Together&) = delete;

 private:
  friend void Write(Level level, std::string_view message, Fields fields);
  void Add(const std::string& line);
  void PutOut();

  std::string lines_;
  std::uint64_t count_ = 0;
};

// `value` as the inside of a JSON string: quotes, backslashes and control bytes escaped, bytes
// that are not ASCII kept.
std::string JsonEscape(std::string_view value);

}  // namespace remora::log
