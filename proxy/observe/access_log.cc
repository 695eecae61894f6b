#include "proxy/observe/access_log.h"

#include <cmath>
#include <utility>

#include "absl/time/time.h"
#include "proxy/base/abseil.h"
#include "proxy/base/log.h"

namespace remora::proxy {
namespace {

// Lines are collected for so long, so that the writer does not wake once a request.
constexpr absl::Duration kCollect = absl::Milliseconds(20);

AccessFormat FormatFor(const LogOutput& output, bool colour) {
  if (!output.is_terminal()) return AccessFormat::kJson;
  return colour ? AccessFormat::kColouredText : AccessFormat::kText;
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
  auto output = LogOutput::Open(settings.path);
  if (!output.ok()) {
    return absl::UnavailableError(
        ToAbsl("log.access.path: can't open " + settings.path + ": " +
               std::string(ToStd(output.status().message())) +
               "; make its directory writable, or leave the key out to log to stdout"));
  }
  const AccessFormat format = FormatFor(*output, colour);
  return std::unique_ptr<AccessLog>(new AccessLog(settings, *std::move(output), format));
}

AccessLog::AccessLog(const AccessLogSettings& settings, LogOutput output, AccessFormat format)
    : sample_(settings.sample),
      path_(settings.path),
      format_(format),
      output_(std::move(output)),
      writer_([this] { Run(); }) {}

AccessLog::~AccessLog() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    work_.Signal();
    stop_.Signal();
  }
  writer_.join();
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
  auto next = LogOutput::Open(path_);
  if (!next.ok()) {
    log::Error("the access log can't be reopened, the old file goes on",
               {{"path", path_}, {"error", ToStd(next.status().message())}});
    return;
  }
  output_ = *std::move(next);
  log::Info("access log reopened", {{"path", path_}});
}

void AccessLog::WriteOut(std::string_view lines) {
  std::uint64_t left = CountLines(lines);
  TimePoint give_up = TimePoint::max();
  while (!lines.empty()) {
    const std::ptrdiff_t written = output_.Write(lines);
    if (written < 0) break;
    if (give_up == TimePoint::max()) {
      absl::MutexLock lock(&mu_);
      if (stopping_) give_up = Clock::now() + kFlushTime;
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
