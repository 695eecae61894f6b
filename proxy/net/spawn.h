// Starts a coroutine on a loop.
//
// Threads: the loop's (or before it runs). Lifetime: what the coroutine refers to outlives it; its
// arguments are in its frame (call a function, never a capturing lambda).
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <utility>

#include "proxy/net/executor.h"
#include "proxy/net/loop.h"

namespace remora::proxy::net {

// `done(exception_ptr, result...)` runs on the loop when `work` has ended: whoever starts something
// learns of its end.
template <class T, class Done>
void Spawn(Loop& loop, Awaitable<T> work, Done&& done) {
  asio::co_spawn(loop.executor(), std::move(work), std::forward<Done>(done));
}

}  // namespace remora::proxy::net
