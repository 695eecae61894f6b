#include "server/first_probes.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace remora::server {
namespace {

// The registry tells of changes of state, which a failed first probe is not, so it is asked.
constexpr std::chrono::milliseconds kFirstPause{5};
constexpr std::chrono::milliseconds kLongestPause{200};  // 10,000 servers take a while to look at

}  // namespace

std::size_t CountUnprobed(const std::vector<proxy::ServerView>& servers) {
  return static_cast<std::size_t>(
      std::ranges::count_if(servers, [](const proxy::ServerView& server) {
        return server.owner == "config" && server.state == proxy::ServerState::kWarming &&
               !server.last_probe;
      }));
}

FirstProbes::FirstProbes(proxy::net::Loop& loop, const proxy::Registry& registry,
                         std::function<void(std::size_t unprobed)> over)
    : registry_(registry), over_(std::move(over)), timer_(loop) {}

void FirstProbes::Start() {
  deadline_ = proxy::Clock::now() + kLongest;
  pause_ = kFirstPause;
  Look();
}

void FirstProbes::Stop() {
  over_ = nullptr;
  timer_.Cancel();
}

void FirstProbes::Look() {
  const auto page = registry_.List("", std::nullopt, proxy::Registry::kMaxServers);
  const std::size_t unprobed = page.ok() ? CountUnprobed(page->servers) : 0;
  if (unprobed == 0 || proxy::Clock::now() >= deadline_) {
    std::exchange(over_, nullptr)(unprobed);
    return;
  }
  timer_.ExpireAfter(pause_);
  pause_ = std::min<proxy::Duration>(2 * pause_, kLongestPause);
  timer_.OnExpiry([this] { Look(); });
}

}  // namespace remora::server
