// SIGTERM, SIGINT, SIGHUP and SIGUSR1 as calls on the control loop.
//
// The signals are blocked in every thread and read from a descriptor, so no code runs in a handler.
// Threads: Block is called before any other thread is started, as those inherit the mask;
// everything else on the loop's thread. Lifetime: the loop outlives it; Stop lets the loop end.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <functional>

#include "proxy/net/asio_loop.h"

namespace remora::server {

class Signals {
 public:
  using Handler = std::function<void(int signal)>;

  // For the whole process; signals that come before Start wait.
  static void Block();

  Signals(proxy::net::AsioLoop& loop, Handler handler);

  void Start();
  void Stop();

 private:
  void Read();

  const Handler handler_;
  boost::asio::posix::basic_stream_descriptor<proxy::net::Executor> descriptor_;
};

}  // namespace remora::server
