// Ends a coroutine from outside, whatever it waits for.
//
// Threads: the loop's. Lifetime: outlives what Run runs.
#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "proxy/net/executor.h"
#include "proxy/net/loop.h"

namespace remora::proxy::net {

class CutSignal {
 public:
  void Cut() {
    cut_ = true;
    // Boost 1.81 lets an exception out of the loop where it cancels what has not begun.
    if (begun_) signal_.emit(asio::cancellation_type::terminal);
  }
  bool cut() const { return cut_; }

  // The result of `work`, one at a time; nullopt if it was cut.
  template <class T>
  Awaitable<std::optional<T>> Run(Loop& loop, Awaitable<T> work) {
    // A coroutine of its own, so that it alone is cut.
    auto [failure, result] =
        co_await asio::co_spawn(loop.executor(), Begin(std::move(work)),
                                asio::bind_cancellation_slot(signal_.slot(), kNoThrow));
    begun_ = false;
    if (cut_) co_return std::nullopt;
    if (failure) std::rethrow_exception(failure);
    co_return std::move(result);
  }

 private:
  template <class T>
  Awaitable<std::optional<T>> Begin(Awaitable<T> work) {
    begun_ = true;
    if (cut_) co_return std::nullopt;
    co_return co_await std::move(work);
  }

  asio::cancellation_signal signal_;
  bool begun_ = false;
  bool cut_ = false;
};

}  // namespace remora::proxy::net
