// Where the lines of a log go: a file, a pipe, a terminal.
//
// Threads: one at a time. Owns its descriptor unless that is stdout's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "proxy/base/unique_fd.h"

namespace remora::proxy {

class LogOutput {
 public:
  // stdout where `path` is empty. UNAVAILABLE: errno's words.
  static absl::StatusOr<LogOutput> Open(const std::string& path);

  bool is_terminal() const;

  // Writes some of `lines`, whole ones where it can, and waits for at most 100 ms until it may. The
  // bytes that were taken; -1: it will never take any.
  std::ptrdiff_t Write(std::string_view lines);

 private:
  enum class Kind : unsigned char { kOther, kFile, kPipe };
  LogOutput(UniqueFd own, int descriptor, Kind kind, bool blocks)
      : own_(std::move(own)), descriptor_(descriptor), kind_(kind), blocks_(blocks) {}

  std::size_t Room() const;

  UniqueFd own_;
  int descriptor_;
  Kind kind_;
  bool blocks_;        // a write of more than there is room for
  bool full_ = false;  // the last write was refused
};

}  // namespace remora::proxy
