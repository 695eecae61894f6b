// The access log: lines made by the workers, written by a thread of its own, so that a slow disk or
// a reader that has stopped never holds up a request. What does not fit into the queue is dropped
// and counted.
//
// Thread-safe. Lifetime: outlives the reporters. The destructor waits at most kFlushTime for what
// is queued.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/settings.h"
#include "proxy/observe/access_line.h"
#include "proxy/observe/log_output.h"
#include "proxy/observe/request_record.h"

namespace remora::proxy {

class AccessLog {
 public:
  static constexpr std::size_t kQueueBytes = 1024 * 1024;
  static constexpr std::chrono::milliseconds kFlushTime{1000};

  // Text on a terminal (coloured unless NO_COLOR was said), else JSON. UNAVAILABLE where the file
  // can't be opened, with what to do.
  static absl::StatusOr<std::unique_ptr<AccessLog>> Open(const AccessLogSettings& settings,
                                                         bool colour);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void Add(std::string_view pool, const RequestRecord& record) ABSL_LOCKS_EXCLUDED(mu_);
  // Opens the file anew, after whoever rotates logs has moved it away. The old one is kept where
  // that fails. Nothing for stdout.
  void Reopen() ABSL_LOCKS_EXCLUDED(mu_);

  std::uint64_t lines() const { return lines_.load(std::memory_order_relaxed); }
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  AccessLog(const AccessLogSettings& settings, LogOutput output, AccessFormat format);

  bool Sampled(const RequestRecord& record);
  void Run();
  void ReopenNow();
  // All of `lines`, unless the end came before its reader took them.
  void WriteOut(std::string_view lines) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits for lines, then for more of them. False at the end.
  bool TakeBatch(std::string& batch, bool& reopen) ABSL_LOCKS_EXCLUDED(mu_);

  const double sample_;
  const std::string path_;
  const AccessFormat format_;
  LogOutput output_;  // the writing thread's
  std::atomic<std::uint64_t> seen_ = 0;
  std::atomic<std::uint64_t> lines_ = 0;
  std::atomic<std::uint64_t> dropped_ = 0;

  absl::Mutex mu_;
  absl::CondVar work_;
  absl::CondVar stop_;
  std::string queue_ ABSL_GUARDED_BY(mu_);
  bool reopen_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread writer_;
};

}  // namespace remora::proxy
