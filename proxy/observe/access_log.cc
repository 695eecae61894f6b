#include "proxy/observe/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/time/time.h"
#include "proxy/base/abseil.h"
#include "proxy/base/log.h"

namespace remora::proxy {
namespace {

// What poll(2) promises for a pipe: so much can be written without blocking (PIPE_BUF).
constexpr std::size_t kPipeChunk = 4096;
constexpr std::size_t kFileChunk = 128 * 1024;
constexpr int kPollMs = 100;
// Lines are collected for so long, so that the writer does not wake once a request.
constexpr absl::Duration kCollect = absl::Milliseconds(20);

// Of a pipe without a reader it is an error (ENXIO), and not a wait for one.
int OpenFile(const std::string& path) {
  const int descriptor =
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (descriptor >= 0) fcntl(descriptor, F_SETFL, O_APPEND);
  return descriptor;
}

AccessFormat FormatFor(int descriptor, bool colour) {
  if (isatty(descriptor) == 0) return AccessFormat::kJson;
  return colour ? AccessFormat::kColouredText : AccessFormat::kText;
}

// A file has no reader that stops: with a pipe's pieces eight lines cost two system calls.
std::size_t MaxChunkOf(int descriptor) {
  struct stat status{};
  const bool file = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  return file ? kFileChunk : kPipeChunk;
}

// Ends with a line where it can: others may write to the same pipe.
std::size_t ChunkOf(std::string_view lines, std::size_t max) {
  if (lines.size() <= max) return lines.size();
  const std::size_t end = lines.rfind('\n', max - 1);
  return end == std::string_view::npos ? max : end + 1;
}

// Looking from LF to LF takes 100 instructions a line, comparing each byte took 2,300.
std::uint64_t CountLines(std::string_view text) {
  std::uint64_t lines = 0;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos;
       end = text.find('\n', end + 1)) {
    ++lines;
  }
  return lines;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AccessLog>> AccessLog::Open(const AccessLogSettings& settings,
                                                           bool colour) {
  int descriptor = STDOUT_FILENO;
  if (!settings.path.empty()) {
    descriptor = OpenFile(settings.path);
    if (descriptor < 0) {
      return absl::UnavailableError(
          ToAbsl("log.access.path: can't open " + settings.path + ": " + std::strerror(errno) +
                 "; make its directory writable, or leave the key out to log to stdout"));
    }
  }
  return std::unique_ptr<AccessLog>(
      new AccessLog(settings, descriptor, FormatFor(descriptor, colour)));
}

AccessLog::AccessLog(const AccessLogSettings& settings, int descriptor, AccessFormat format)
    : sample_(settings.sample),
      path_(settings.path),
      format_(format),
      descriptor_(descriptor),
      max_chunk_(MaxChunkOf(descriptor)),
      writer_([this] { Run(); }) {}

AccessLog::~AccessLog() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    work_.Signal();
    stop_.Signal();
  }
  writer_.join();
  if (!path_.empty()) close(descriptor_);
}

// Every (1 / sample)-th, evenly: no random numbers in the path of a request.
bool AccessLog::Sampled(const RequestRecord& record) {
  if (sample_ >= 1 || IsError(record)) return true;
  const auto n = static_cast<double>(seen_.fetch_add(1, std::memory_order_relaxed));
  return std::floor((n + 1) * sample_) > std::floor(n * sample_);
}

void AccessLog::Add(std::string_view pool, const RequestRecord& record) {
  if (!Sampled(record)) return;
  thread_local std::string line;
  line.clear();
  AppendAccessLine(format_, pool, record, WallClock::now(), line);
  absl::MutexLock lock(&mu_);
  if (stopping_ || queue_.size() + line.size() > kQueueBytes) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (queue_.empty()) work_.Signal();
  queue_ += line;
}

void AccessLog::Reopen() {
  absl::MutexLock lock(&mu_);
  reopen_ = !path_.empty();
  work_.Signal();
}

void AccessLog::Run() {
  std::string batch;
  for (bool more = true; more;) {
    batch.clear();
    bool reopen = false;
    more = TakeBatch(batch, reopen);
    if (reopen) ReopenNow();
    WriteOut(batch);
  }
}

bool AccessLog::TakeBatch(std::string& batch, bool& reopen) {
  absl::MutexLock lock(&mu_);
  while (!stopping_ && !reopen_ && queue_.empty()) work_.Wait(&mu_);
  if (!stopping_) stop_.WaitWithTimeout(&mu_, kCollect);
  batch.swap(queue_);
  reopen = std::exchange(reopen_, false);
  return !stopping_;
}

void AccessLog::ReopenNow() {
  const int next = OpenFile(path_);
  if (next < 0) {
    log::Error("the access log can't be reopened, the old file goes on",
               {{"path", path_}, {"error", std::strerror(errno)}});
    return;
  }
  close(std::exchange(descriptor_, next));
  max_chunk_ = MaxChunkOf(descriptor_);
  log::Info("access log reopened", {{"path", path_}});
}

void AccessLog::WriteOut(std::string_view lines) {
  std::uint64_t left = CountLines(lines);
  TimePoint give_up = TimePoint::max();
  while (!lines.empty()) {
    pollfd out{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    const int ready = poll(&out, 1, kPollMs);
    if (give_up == TimePoint::max()) {
      absl::MutexLock lock(&mu_);
      if (stopping_) give_up = Clock::now() + kFlushTime;
    }
    ssize_t written = 0;
    if (ready > 0) {
      written = write(descriptor_, lines.data(), ChunkOf(lines, max_chunk_));
      const bool broken = written < 0 && errno != EINTR && errno != EAGAIN;
      if (broken) break;  // the reader has gone, the disk is full
    }
    if (written > 0) {
      const std::string_view done = lines.substr(0, static_cast<std::size_t>(written));
      const auto count = CountLines(done);
      lines_.fetch_add(count, std::memory_order_relaxed);
      left -= count;
      lines.remove_prefix(done.size());
    }
    if (Clock::now() >= give_up) break;
  }
  dropped_.fetch_add(left, std::memory_order_relaxed);
}

}  // namespace remora::proxy
