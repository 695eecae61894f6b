// Follows a registry from one thread: many changes at once become one call.
//
// Threads: made and destroyed on the thread that `post` leads to; the registry calls from any.
// Lifetime: the registry outlives it; after its destruction `on_change` is not called.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "proxy/registry/registry.h"

namespace remora::proxy {

class ChangeListener {
 public:
  // Runs a task on the listener's thread (Loop::Post).
  using Post = std::function<void(std::function<void()>)>;

  ChangeListener(Registry& registry, Post post, std::function<void()> on_change)
      : registry_(registry), state_(std::make_shared<State>()) {
    state_->on_change = std::move(on_change);
    subscription_ = registry_.Subscribe([state = state_, post = std::move(post)] {
      if (state->pending.exchange(true)) return;
      post([state] {
        state->pending = false;
        // A copy: it may end the listener.
        if (const auto on_change = state->on_change) on_change();
      });
    });
  }
  ~ChangeListener() {
    registry_.Unsubscribe(subscription_);
    state_->on_change = nullptr;
  }
  ChangeListener(const ChangeListener&) = delete;
  ChangeListener& operator=(const ChangeListener&) = delete;

 private:
  struct State {
    std::atomic<bool> pending = false;
    std::function<void()> on_change;  // the listener's thread only
  };

  Registry& registry_;
  std::shared_ptr<State> state_;
  std::uint64_t subscription_ = 0;
};

}  // namespace remora::proxy
