#include "proxy/net/asio_loop.h"

#include <fcntl.h>

#include <boost/asio/post.hpp>
#include <cstdlib>

namespace remora::proxy::net {

AsioLoop::AsioLoop()
    : context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE), events_(executor()), next_(executor()) {
  // At start only; without it there is no process to save.
  const int fd = fcntl(descriptor(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) std::abort();
  events_.assign(fd);
}

AsioLoop::~AsioLoop() = default;

void AsioLoop::Run() {
  Wake();
  context_.run();
}

void AsioLoop::Wake() {
  if (woken_) return;
  woken_ = true;
  asio::post(context_, [this] {
    woken_ = false;
    TakeTurn();
  });
}

void AsioLoop::TakeTurn() {
  Turn();
  if (finished()) {
    error_code ignored;
    events_.cancel(ignored);
    next_.cancel();
    return;
  }
  WaitForTurn();
}

void AsioLoop::WaitForTurn() {
  const Duration wait = UntilNext(Clock::now());
  if (wait <= Duration::zero()) {
    Wake();
  } else if (wait != Duration::max()) {
    next_.expires_after(wait);
    next_.async_wait([this](error_code error) {
      if (!error) TakeTurn();
    });
  }
  if (waiting_) return;
  waiting_ = true;
  events_.async_wait(asio::posix::descriptor_base::wait_read, [this](error_code error) {
    waiting_ = false;
    if (!error) TakeTurn();
  });
}

}  // namespace remora::proxy::net
