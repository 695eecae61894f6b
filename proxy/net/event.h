// Lets one coroutine wait for another of the same loop: Set wakes the one that waits, or lets the
// next Wait through. Threads: the loop's. Lifetime: outlives a pending Wait.
#pragma once

#include "proxy/net/awaitable.h"
#include "proxy/net/loop.h"
#include "proxy/net/timer.h"

namespace remora::proxy::net {

class Event {
 public:
  explicit Event(Loop& loop) : timer_(loop) {}

  void Set() {
    set_ = true;
    timer_.Cancel();
  }

  // Not longer than `limit`.
  Awaitable<> WaitFor(Duration limit) {
    if (set_) co_return;
    timer_.ExpireAfter(limit);
    co_await timer_.WaitForExpiry();
    timer_.ExpireAt(TimePoint::max());
  }

  Awaitable<> Wait() {
    while (!set_) co_await timer_.WaitForExpiry();
  }

 private:
  bool set_ = false;
  Timer timer_;
};

}  // namespace remora::proxy::net
