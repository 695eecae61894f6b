// A moment to wait for, precise to a millisecond. For deadlines of connections see TimerWheel,
// which costs less.
//
// Threads: the loop's. Lifetime: a pending wait ends with it without its handler being called; a
// coroutine must not wait on it when it is destroyed, unless it is destroyed as well.
#pragma once

#include <coroutine>
#include <functional>
#include <utility>

#include "proxy/base/clock.h"
#include "proxy/net/loop.h"
#include "proxy/net/runnable.h"

namespace remora::proxy::net {

class Timer {
 public:
  explicit Timer(Loop& loop) : loop_(loop) {}
  ~Timer() { handler_.Drop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  TimePoint expiry() const { return expiry_; }
  // Ends a wait that is under way.
  void ExpireAt(TimePoint when) {
    Cancel();
    expiry_ = when;
  }
  void ExpireAfter(Duration time) { ExpireAt(Clock::now() + time); }
  // Ends a wait that is under way, early.
  void Cancel() {
    handler_.Drop();
    if (waiter_ != nullptr) std::exchange(waiter_, nullptr)->EndEarly();
  }

  // `co_await timer.WaitForExpiry()`: until the expiry, or until Cancel or ExpireAt end it early
  // (false).
  class [[nodiscard]] Wait : public Moment {
   public:
    explicit Wait(Timer& timer)
        : Moment([](Runnable& self) { static_cast<Wait&>(self).coroutine_.resume(); }),
          timer_(timer) {}
    ~Wait() {
      if (timer_.waiter_ == this) timer_.waiter_ = nullptr;
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) {
      coroutine_ = coroutine;
      timer_.waiter_ = this;
      when_ = timer_.expiry_;
      if (when_ != TimePoint::max()) timer_.loop_.Add(*this);
    }
    bool await_resume() const noexcept { return !early_; }
    void EndEarly() {
      early_ = !RunnableHook::is_linked();  // not where it has expired already
      MomentHook::unlink();
      timer_.loop_.Schedule(*this);
    }

   private:
    Timer& timer_;
    std::coroutine_handle<> coroutine_;
    bool early_ = false;
  };
  Wait WaitForExpiry() { return Wait(*this); }

  // Calls `handler` at the expiry, unless Cancel or ExpireAt come before. One at a time.
  void OnExpiry(std::move_only_function<void()> handler) {
    handler_.Begin(*this, std::move(handler));
  }

 private:
  class Handler : public Moment {
   public:
    Handler() : Moment([](Runnable& self) { static_cast<Handler&>(self).Call(); }) {}
    void Begin(Timer& timer, std::move_only_function<void()> handler) {
      Drop();
      loop_ = &timer.loop_;
      loop_->BeginWork();
      function_ = std::move(handler);
      when_ = timer.expiry_;
      loop_->Add(*this);
    }
    void Drop() {
      if (loop_ == nullptr) return;
      RunnableHook::unlink();
      MomentHook::unlink();
      std::exchange(loop_, nullptr)->EndWork();
      function_ = nullptr;
    }

   private:
    void Call() {
      // Moved out: it may start another wait, or destroy the timer.
      auto function = std::move(function_);
      Drop();
      function();
    }
    Loop* loop_ = nullptr;
    std::move_only_function<void()> function_;
  };

  Loop& loop_;
  TimePoint expiry_ = TimePoint::max();
  Wait* waiter_ = nullptr;
  Handler handler_;
};

}  // namespace remora::proxy::net
