// One open answer of Server-Sent Events: what its writer has yet to send, bounded.
//
// The server makes it, gives it to the handler that asked for it, and writes what is queued. A
// reader that is too slow for the queue is cut, so no stream holds more than kMaxQueued bytes (or
// one message, if that is longer). Threads: that of the loop. Lifetime: the loop outlives it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "proxy/net/asio_loop.h"

namespace remora::server {

// One message on the wire. `data` must not have a line break, nor `event` and `id`; the last two
// may be empty.
std::string EventText(std::string_view event, std::string_view id, std::string_view data);

class EventStream {
 public:
  static constexpr std::size_t kMaxQueued = 2 * 1024 * 1024;

  explicit EventStream(proxy::net::AsioLoop& loop);
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // ---- the handler's side ----
  // Queues a message of EventText. False when the stream is closed, or is cut by this very call as
  // its reader does not keep up.
  bool Send(std::string_view message);
  // Nothing is queued: the reader keeps up. Who sends states rather than events waits for this.
  bool idle() const { return queue_.empty(); }
  bool closed() const { return closed_; }
  // Called once, when the stream closes; at once where it has.
  void OnClosed(std::function<void()> closed);
  void Close();

  // ---- the server's side ----
  bool cut() const { return cut_; }
  // What is queued, empty after `heartbeat` without any or when closed.
  proxy::net::AsioAwaitable<std::string> Next(std::chrono::milliseconds heartbeat);

 private:
  std::string queue_;
  proxy::net::AsioTimer wake_;
  std::function<void()> on_closed_;
  bool closed_ = false;
  bool cut_ = false;
};

}  // namespace remora::server
