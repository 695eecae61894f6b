#include "proxy/observe/log_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/status/status.h"

namespace remora::proxy {
namespace {

constexpr int kPollMs = 100;
// What poll(2) promises for a pipe: so much can be written without blocking (PIPE_BUF).
constexpr std::size_t kAlways = 4096;
constexpr std::size_t kFileChunk = 128 * 1024;

// stdout's descriptor may be shared with other processes: a description of its own can be made
// non-blocking without their notice. None where there is no /proc.
UniqueFd OwnDescription(int descriptor) {
  const std::string name = "/proc/self/fd/" + std::to_string(descriptor);
  return UniqueFd(open(name.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
}

// Ends with a line where it can: others may write to the same pipe.
std::size_t ChunkOf(std::string_view lines, std::size_t max) {
  if (lines.size() <= max) return lines.size();
  const std::size_t end = lines.rfind('\n', max - 1);
  return end == std::string_view::npos ? max : end + 1;
}

}  // namespace

absl::StatusOr<LogOutput> LogOutput::Open(const std::string& path) {
  UniqueFd own;
  int descriptor = STDOUT_FILENO;
  if (!path.empty()) {
    // Of a pipe without a reader it is an error (ENXIO), and not a wait for one.
    own.Reset(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                   0640));
    if (!own) return absl::UnavailableError(std::strerror(errno));
    descriptor = own.get();
  }
  struct stat status{};
  const bool known = fstat(descriptor, &status) == 0;
  if (known && S_ISFIFO(status.st_mode)) {
    if (path.empty()) own = OwnDescription(descriptor);
    if (const int fd = own.get(); fd >= 0) {
      return LogOutput(std::move(own), fd, Kind::kPipe, /*blocks=*/false);
    }
  }
  if (!path.empty()) fcntl(descriptor, F_SETFL, O_APPEND);
  const Kind kind = known && S_ISREG(status.st_mode) ? Kind::kFile : Kind::kOther;
  return LogOutput(std::move(own), descriptor, kind, /*blocks=*/true);
}

bool LogOutput::is_terminal() const { return isatty(descriptor_) != 0; }

// A file has no reader that stops. A pipe takes at least what is free in it, but for the pages at
// both its ends that may be half full: in one write, so that its reader wakes once. Pieces of 4 KiB
// cost 3 us a line, this 0.6 us.
std::size_t LogOutput::Room() const {
  if (kind_ == Kind::kFile) return kFileChunk;
  if (kind_ == Kind::kOther) return kAlways;
  int used = 0;
  const int size = fcntl(descriptor_, F_GETPIPE_SZ);
  if (size < 0 || ioctl(descriptor_, FIONREAD, &used) != 0) return kAlways;
  const std::ptrdiff_t room = size - used - 2 * static_cast<std::ptrdiff_t>(kAlways);
  return std::max(kAlways, static_cast<std::size_t>(std::max<std::ptrdiff_t>(room, 0)));
}

std::ptrdiff_t LogOutput::Write(std::string_view lines) {
  if (blocks_ || full_) {
    pollfd out{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    if (poll(&out, 1, kPollMs) <= 0) return 0;
  }
  const ssize_t written = write(descriptor_, lines.data(), ChunkOf(lines, Room()));
  full_ = written < 0 && errno == EAGAIN;
  if (written >= 0) return written;
  return full_ || errno == EINTR ? 0 : -1;  // the reader has gone, the disk is full
}

}  // namespace remora::proxy
