// Lets one coroutine wait for another of the same loop: Set wakes the one that waits, or lets the
// next Wait through. Threads: the loop's. Lifetime: outlives a pending Wait.
#pragma once

#include <chrono>
#include <limits>

#include "proxy/net/executor.h"
#include "proxy/net/loop.h"

namespace remora::proxy::net {

class Event {
 public:
  explicit Event(Loop& loop) : timer_(loop.executor(), TimePoint::max()) {}

  void Set() {
    set_ = true;
    timer_.cancel();
  }

  // Not longer than `limit`.
  Awaitable<> WaitFor(Duration limit) {
    if (!set_) {
      timer_.expires_after(limit);
      co_await timer_.async_wait(kNoThrow);
      timer_.expires_at(TimePoint::max());
    }
  }

  Awaitable<> Wait() {
    while (!set_) co_await timer_.async_wait(kNoThrow);
  }

 private:
  bool set_ = false;
  Timer timer_;
};

}  // namespace remora::proxy::net
