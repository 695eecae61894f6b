#include "server/admin/event_stream.h"

#include <utility>

namespace remora::server {

std::string EventText(std::string_view event, std::string_view id, std::string_view data) {
  std::string text;
  if (!event.empty()) text.append("event: ").append(event).append("\n");
  if (!id.empty()) text.append("id: ").append(id).append("\n");
  return text.append("data: ").append(data).append("\n\n");
}

EventStream::EventStream(proxy::net::AsioLoop& loop) : wake_(loop.executor()) {}

bool EventStream::Send(std::string_view message) {
  if (closed_) return false;
  if (!queue_.empty() && queue_.size() + message.size() > kMaxQueued) {
    cut_ = true;
    Close();
    return false;
  }
  queue_ += message;
  wake_.cancel();
  return true;
}

void EventStream::OnClosed(std::function<void()> closed) {
  if (closed_) return closed();
  on_closed_ = std::move(closed);
}

void EventStream::Close() {
  if (std::exchange(closed_, true)) return;
  queue_.clear();
  wake_.cancel();
  if (on_closed_) std::exchange(on_closed_, nullptr)();
}

proxy::net::AsioAwaitable<std::string> EventStream::Next(std::chrono::milliseconds heartbeat) {
  if (queue_.empty() && !closed_) {
    wake_.expires_after(heartbeat);
    co_await wake_.async_wait(proxy::net::kNoThrow);
  }
  co_return std::exchange(queue_, {});
}

}  // namespace remora::server
