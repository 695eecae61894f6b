// Starts a coroutine on a loop.
//
// Threads: the loop's (or before it runs). Lifetime: what the coroutine refers to outlives it; its
// arguments are in its frame (call a function, never a capturing lambda).
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

#include "proxy/net/awaitable.h"
#include "proxy/net/loop.h"

namespace remora::proxy::net {

// The frame that holds what was spawned; destroys itself at its end.
class Spawned {
 public:
  class promise_type final : public Root {
   public:
    // Called with the arguments of the coroutine.
    explicit promise_type(Loop& loop, auto&...)
        : Root(loop, [](Runnable& self) { static_cast<promise_type&>(self).handle().resume(); }) {}
    static void* operator new(std::size_t size) { return TakeFrame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { GiveFrame(frame, size); }

    Spawned get_return_object() { return Spawned(*this); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    // Thrown by the one who wanted to know of the end.
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
    void Destroy() override { handle().destroy(); }

   private:
    std::coroutine_handle<promise_type> handle() {
      return std::coroutine_handle<promise_type>::from_promise(*this);
    }
  };

  Root& root() const { return root_; }

 private:
  explicit Spawned(Root& root) : root_(root) {}
  Root& root_;
};

template <class T, class Done>
Spawned RunToEnd(Loop&, Awaitable<T> work, Done done) {
  std::exception_ptr failure;
  if constexpr (std::is_void_v<T>) {
    try {
      // Moved: gone with all that it holds before `done` is called.
      co_await Awaitable<T>(std::move(work));
    } catch (...) {
      failure = std::current_exception();
    }
    done(failure);
  } else {
    T result{};
    try {
      result = co_await Awaitable<T>(std::move(work));
    } catch (...) {
      failure = std::current_exception();
    }
    done(failure, std::move(result));
  }
}

// `done(exception_ptr, result...)` runs on the loop when `work` has ended: whoever starts something
// learns of its end.
template <class T, class Done>
void Spawn(Loop& loop, Awaitable<T> work, Done&& done) {
  loop.Start(
      RunToEnd<T, std::decay_t<Done>>(loop, std::move(work), std::forward<Done>(done)).root());
}

}  // namespace remora::proxy::net
