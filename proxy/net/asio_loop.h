// A Loop whose thread runs an io_context, too: for the control thread, where the admin server
// speaks Beast and descriptors of all kinds are waited for. The data plane needs none of it.
//
// Threads and lifetime: those of Loop. The io_context is built without locks, so asio::post from
// other threads is not allowed: use Loop::Post.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "proxy/base/clock.h"
#include "proxy/net/error.h"
#include "proxy/net/loop.h"

namespace remora::proxy::net {

// One concrete executor, so that nothing is type-erased on the way.
using Executor = asio::io_context::executor_type;
template <class T = void>
using AsioAwaitable = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> kAwait;
// Completes with a tuple that starts with the error_code instead of throwing.
inline constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable_t<Executor>{});
using AsioTimer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

class AsioLoop final : public Loop {
 public:
  AsioLoop();
  ~AsioLoop() override;

  asio::io_context& context() { return context_; }
  Executor executor() { return context_.get_executor(); }

  // As Loop::Run says; and until nothing is left in the io_context.
  void Run() override;

 private:
  void Wake() override;
  void TakeTurn();
  void WaitForTurn();

  asio::io_context context_;
  asio::posix::basic_stream_descriptor<Executor> events_;  // the loop's own epoll
  AsioTimer next_;
  bool waiting_ = false;  // for events_
  bool woken_ = false;
};

}  // namespace remora::proxy::net
