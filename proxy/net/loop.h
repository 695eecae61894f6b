// One thread's event loop: Asio's io_context with a mailbox for other threads, coarse timers and
// buffers to lease. Workers and the control thread each have one.
//
// Threads: Post may be called from any thread; everything else only on the thread inside Run (or
// before Run). The io_context is built without locks, so asio::post from other threads is
// not allowed: use Post. Lifetime: outlives everything that was given its executor.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/clock.h"
#include "proxy/net/buffer_pool.h"
#include "proxy/net/executor.h"
#include "proxy/net/timer_wheel.h"

namespace remora::proxy::net {

using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

class Loop {
 public:
  using Task = std::move_only_function<void()>;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  asio::io_context& context() { return context_; }
  Executor executor() { return context_.get_executor(); }
  BufferPool& buffers() { return buffers_; }

  // Runs `task` on the loop's thread, in the order of the calls. Dropped once Close has run.
  void Post(Task task) ABSL_LOCKS_EXCLUDED(mu_);

  // Serves until Close has been called and everything that was started has ended.
  void Run();

  // The mailbox takes no more tasks, so that Run can return. On the loop's thread.
  void Close();

  // Schedules `entry` to fire after `timeout`, rounded up to the next tick (100 ms).
  void Arm(TimerWheel::Entry& entry, Duration timeout);

 private:
  void WaitForMail();
  void ReadMail() ABSL_LOCKS_EXCLUDED(mu_);
  void ScheduleTick();

  // Before the context: what its handlers own (leases, timer entries) may die with it.
  TimerWheel timers_;
  BufferPool buffers_;
  asio::io_context context_;
  asio::posix::basic_stream_descriptor<Executor> wake_fd_;
  Timer tick_;
  bool ticking_ = false;
  bool closed_ = false;

  absl::Mutex mu_;
  std::vector<Task> mail_ ABSL_GUARDED_BY(mu_);
  bool accepting_ ABSL_GUARDED_BY(mu_) = true;
};

}  // namespace remora::proxy::net
