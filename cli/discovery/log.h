// The log of discovery: one line an event, with the fields of remorad's own log.
//
// Threads: one. Values are escaped, so that nothing a source sends can forge a line.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "cli/failure.h"

namespace remora::cli::discovery {

// A failure with all its violations, for a field of a line.
std::string OneLine(const Failure& failure);

class Log {
 public:
  enum class Format : std::uint8_t { kText, kJson };
  using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

  Log(std::ostream& out, Format format) : out_(out), format_(format) {}

  void Info(std::string_view message, Fields fields = {}) { Write("info", message, fields); }
  void Warn(std::string_view message, Fields fields = {}) { Write("warn", message, fields); }
  void Error(std::string_view message, Fields fields = {}) { Write("error", message, fields); }

 private:
  void Write(std::string_view level, std::string_view message, Fields fields);

  std::ostream& out_;
  const Format format_;
};

}  // namespace remora::cli::discovery
