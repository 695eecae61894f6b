// Waits until each server of the configuration has had its first probe, so that whoever
// waits for readiness finds those that are up in use. A server that is down has had it too:
// backends make nobody unready. What can't be probed (its name is not resolved) or takes long is
// waited for until `kLongest`.
//
// Threads: the loop's. Lifetime: the registry and the loop outlive it; Stop before the loop closes.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "proxy/net/loop.h"
#include "proxy/net/timer.h"
#include "proxy/registry/change_listener.h"
#include "proxy/registry/registry.h"

namespace remora::server {

// How many of the configuration no probe has said anything about. Pure.
std::size_t CountUnprobed(const std::vector<proxy::ServerView>& servers);

class FirstProbes {
 public:
  static constexpr std::chrono::seconds kLongest{5};

  // `over(unprobed)` is called once, from the loop, unless Stop comes first.
  FirstProbes(proxy::net::Loop& loop, proxy::Registry& registry,
              std::function<void(std::size_t unprobed)> over);

  void Start();
  void Stop();

 private:
  void Look();
  void End();

  proxy::net::Loop& loop_;
  proxy::Registry& registry_;
  std::function<void(std::size_t)> over_;  // null once it was called, or stopped
  proxy::net::Timer deadline_;
  std::optional<proxy::ChangeListener> changes_;
};

}  // namespace remora::server
