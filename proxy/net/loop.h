// One thread's event loop: readiness of descriptors, coroutines to resume, timers, a mailbox for
// other threads and buffers to lease. Workers and the control thread (asio_loop.h) each have one.
//
// A turn: epoll tells what has become ready, each source notes it (no code of anybody else runs
// meanwhile), then tasks of other threads, expired timers and what is scheduled run, and what is to
// be sent goes out. A descriptor is registered once, edge-triggered, and whoever owns it remembers
// whether it is ready. Asio's reactor knows less and asks the kernel instead: per request two reads
// that found nothing and one look at the reused connection, 7.1 instead of 4.1 system calls.
//
// Threads: Post may be called from any thread; everything else only on the thread inside Run (or
// before Run). Lifetime: outlives everything that was given it; what has been spawned and has not
// ended goes away with it.
#pragma once

#include <boost/intrusive/set.hpp>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/clock.h"
#include "proxy/net/buffer_pool.h"
#include "proxy/net/error.h"
#include "proxy/net/pipe.h"
#include "proxy/net/runnable.h"
#include "proxy/net/slab_pool.h"
#include "proxy/net/timer_wheel.h"

namespace remora::proxy::net {

class Loop;

// Who has a descriptor registered. `events`: EPOLLIN and so on; may only note them and schedule.
class IoSource {
 public:
  virtual void OnEvents(std::uint32_t events) = 0;

 protected:
  ~IoSource() = default;
};

// A coroutine that was spawned: known to the loop until it ends.
class Root : public Runnable {
 public:
  explicit Root(Loop& loop, Function start);
  virtual void Destroy() = 0;

 protected:
  ~Root();

 private:
  friend class Loop;
  boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
      hook_;
};

// A moment in a loop's future, precise to a millisecond; Timer (timer.h) is made of it.
using MomentHook =
    boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
class Moment : public Runnable, public MomentHook {
 public:
  using Runnable::Runnable;
  TimePoint when() const { return when_; }

 protected:
  ~Moment() = default;
  TimePoint when_ = TimePoint::max();
};

class Loop {
 public:
  using Task = std::move_only_function<void()>;

  Loop();
  virtual ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  BufferPool& buffers() { return buffers_; }
  PipePool& pipes() { return pipes_; }
  // For what lives as long as a connection.
  SlabPool& slabs() { return slabs_; }
  // Ends a period: the heap gets what pools of this thread have not needed in it. True: so much has
  // been returned since the last time that the kernel should get it.
  bool ReleaseSpareMemory();

  // Runs `task` on the loop's thread, in the order of the calls. Dropped once Close has run.
  void Post(Task task) ABSL_LOCKS_EXCLUDED(mu_);

  // Serves until Close has been called and everything that was spawned has ended.
  virtual void Run();

  // One turn, which waits for at most `longest` until something can run. False if nothing did.
  bool Turn(Duration longest = Duration::zero());
  // Run would return.
  bool finished() const { return closed_ && work_ == 0 && roots_.empty() && ready_.empty(); }

  // The mailbox takes no more tasks, so that Run can return. On the loop's thread.
  void Close();

  // Counts the turns: what became ready within one is not known before the next.
  std::uint64_t turn() const { return turn_; }

  // The time, read once for some requests (a clock costs 30 ns): mostly less than kStale ago.
  TimePoint now() const { return in_turn_ ? now_ : Clock::now(); }
  static constexpr Duration kStale = std::chrono::milliseconds(1);

  // Schedules `entry` to fire after `timeout`, rounded up to the next tick (100 ms).
  void Arm(TimerWheel::Entry& entry, Duration timeout);

  // ---- for the parts of net/ ----
  // Runs `runnable` later, in this turn or the next.
  void Schedule(Runnable& runnable);
  // Until `fd` is closed. `events`: EPOLLIN and so on.
  error_code Watch(int fd, IoSource& source, std::uint32_t events);
  error_code ChangeWatch(int fd, IoSource& source, std::uint32_t events);
  // Schedules `moment` for its time; it may be destroyed before.
  void Add(Moment& moment);
  // Starts at once if the loop runs.
  void Start(Root& root);
  // Something else than a root that Run must wait for has begun, or ended.
  void BeginWork() { ++work_; }
  void EndWork() { --work_; }

 protected:
  // From `from` until something is due; zero or less: it is.
  Duration UntilNext(TimePoint from) const;
  int descriptor() const { return epoll_fd_; }

 private:
  friend class Root;
  struct Mailbox final : IoSource {
    void OnEvents(std::uint32_t) override { has_mail = true; }
    bool has_mail = false;
  };
  struct ByTime {
    bool operator()(const Moment& a, const Moment& b) const { return a.when() < b.when(); }
  };
  using RootList = boost::intrusive::list<
      Root,
      boost::intrusive::member_hook<Root,
                                    boost::intrusive::list_member_hook<
                                        boost::intrusive::link_mode<boost::intrusive::auto_unlink>>,
                                    &Root::hook_>,
      boost::intrusive::constant_time_size<false>>;

  // Something is to be done that a loop which waits would not know of.
  virtual void Wake() {}
  bool ReadMail() ABSL_LOCKS_EXCLUDED(mu_);
  bool RunTimers();
  bool RunScheduled();
  void RunAll(RunnableList& list);
  friend class SendTurn;

  SlabPool slabs_;
  int epoll_fd_;
  int wake_fd_;
  TimePoint now_;
  std::uint64_t turn_ = 0;
  bool in_turn_ = false;
  bool closed_ = false;
  std::size_t work_ = 0;
  TimerWheel wheel_;
  BufferPool buffers_;
  PipePool pipes_;
  Mailbox mailbox_;
  RunnableList ready_;    // for the next turn
  RunnableList running_;  // in this one
  RunnableList sending_;  // at its end
  boost::intrusive::multiset<Moment, boost::intrusive::compare<ByTime>,
                             boost::intrusive::constant_time_size<false>>
      moments_;
  RootList roots_;

  absl::Mutex mu_;
  std::vector<Task> mail_ ABSL_GUARDED_BY(mu_);
  bool accepting_ ABSL_GUARDED_BY(mu_) = true;
};

// `co_await NextTurn(loop)`: lets everybody else have their turn.
class [[nodiscard]] NextTurn final : public Waiter {
 public:
  explicit NextTurn(Loop& loop) : loop_(loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    loop_.Schedule(*this);
  }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
};

// `co_await SendTurn(loop)` before a message is sent: at the end of the turn, when all that is
// ready has been read, or at once where nothing else is. Peers that are woken by one message find
// the others there, too; sent one by one each woke a peer that had just gone to sleep, which cost 3
// us of 17 a request.
class [[nodiscard]] SendTurn final : public Waiter {
 public:
  explicit SendTurn(Loop& loop) : loop_(loop) {}
  bool await_ready() const noexcept { return loop_.running_.empty(); }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    loop_.sending_.push_back(*this);
  }
  void await_resume() const noexcept {}

 private:
  Loop& loop_;
};

}  // namespace remora::proxy::net
