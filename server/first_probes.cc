#include "server/first_probes.h"

#include <algorithm>
#include <utility>

namespace remora::server {
namespace {

constexpr std::string_view kOwner = "config";

}  // namespace

std::size_t CountUnprobed(const std::vector<proxy::ServerView>& servers) {
  return static_cast<std::size_t>(
      std::ranges::count_if(servers, [](const proxy::ServerView& server) {
        return server.owner == kOwner && server.state == proxy::ServerState::kWarming &&
               !server.last_probe;
      }));
}

FirstProbes::FirstProbes(proxy::net::Loop& loop, proxy::Registry& registry,
                         std::function<void(std::size_t unprobed)> over)
    : loop_(loop), registry_(registry), over_(std::move(over)), deadline_(loop) {}

void FirstProbes::Start() {
  deadline_.ExpireAfter(kLongest);
  deadline_.OnExpiry([this] { End(); });
  // The registry tells of each first probe. Asking it now and then was up to 110 ms late.
  changes_.emplace(
      registry_, [this](std::function<void()> task) { loop_.Post(std::move(task)); },
      [this] { Look(); });
  Look();
}

void FirstProbes::Stop() {
  over_ = nullptr;
  deadline_.Cancel();
  changes_.reset();
}

void FirstProbes::Look() {
  if (!registry_.AwaitsFirstProbe(kOwner)) End();
}

void FirstProbes::End() {
  const auto page = registry_.List("", std::nullopt, proxy::Registry::kMaxServers);
  const auto over = std::move(over_);
  Stop();
  over(page.ok() ? CountUnprobed(page->servers) : 0);
}

}  // namespace remora::server
