// Ends a coroutine from outside, whatever it waits for.
//
// Threads: the loop's. Lifetime: outlives what Run runs.
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "proxy/net/awaitable.h"
#include "proxy/net/loop.h"
#include "proxy/net/runnable.h"

namespace remora::proxy::net {

class CutSignal {
 public:
  // What it ends has gone a moment later, once nothing of it is running.
  void Cut() {
    cut_ = true;
    if (scope_ != nullptr) scope_->loop().Schedule(*scope_);
  }
  bool cut() const { return cut_; }

  // The result of `work`, one at a time; nullopt if it was cut.
  template <class T>
  Awaitable<std::optional<T>> Run(Loop& loop, Awaitable<T> work) {
    if (cut_) co_return std::nullopt;
    // Its memory and all that it holds has gone when this ends.
    co_return co_await WorkScope<T>(*this, loop, std::move(work));
  }

 private:
  class Scope : public Waiter {
   public:
    explicit Scope(Loop& loop) : loop_(loop) {}
    Loop& loop() const { return loop_; }

   protected:
    ~Scope() = default;

   private:
    Loop& loop_;
  };

  // Resumed by the end of the work, or scheduled by Cut.
  template <class T>
  class WorkScope final : public Scope {
   public:
    WorkScope(CutSignal& signal, Loop& loop, Awaitable<T> work)
        : Scope(loop), signal_(signal), work_(std::move(work)) {}
    ~WorkScope() { signal_.scope_ = nullptr; }

    bool await_ready() { return work_.await_ready(); }
    void await_suspend(std::coroutine_handle<> awaiting) {
      this->coroutine_ = awaiting;
      work_.await_suspend(awaiting);
      signal_.scope_ = this;
      if (signal_.cut_) signal_.Cut();  // while the work took its first steps
    }
    std::optional<T> await_resume() {
      if (signal_.cut_) return std::nullopt;
      return work_.await_resume();
    }

   private:
    CutSignal& signal_;
    Awaitable<T> work_;
  };

  Scope* scope_ = nullptr;
  bool cut_ = false;
};

}  // namespace remora::proxy::net
