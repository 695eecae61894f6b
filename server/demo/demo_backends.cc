#include "server/demo/demo_backends.h"

#include <chrono>
#include <utility>

namespace remora::server {
namespace {

constexpr std::size_t kBackends = 3;

std::string Id(std::size_t index) { return "demo-" + std::to_string(index + 1); }

// Like a plain web server: keeps connections for longer than the proxy does, so that it is never
// the one who closes.
HttpServerLimits Limits() {
  return {.connections = 4096,
          .head_bytes = 64 * 1024,
          .body_bytes = 1024 * 1024 * 1024,
          .keep_bodies = false,
          .idle = std::chrono::minutes(1),
          .exchange = std::chrono::minutes(1)};
}

HttpAnswer Answer(const std::string& id, const HttpRequest& request) {
  if (request.path == "/health") return {.body = "ok\n"};
  return {.body = "hello from " + id + " (" + std::string(request.method) + " " +
                  std::string(request.path) + ")\n"};
}

}  // namespace

absl::StatusOr<std::unique_ptr<DemoBackends>> DemoBackends::Open(proxy::net::AsioLoop& loop) {
  auto backends = std::make_unique<DemoBackends>();
  for (std::size_t i = 0; i < kBackends; ++i) {
    auto server =
        HttpServer::Open(loop, Id(i), "127.0.0.1:0", Limits(),
                         [id = Id(i)](const HttpRequest& request) { return Answer(id, request); });
    if (!server.ok()) return server.status();
    backends->servers_.push_back(*std::move(server));
  }
  return backends;
}

std::vector<DemoBackends::Backend> DemoBackends::backends() const {
  std::vector<Backend> backends;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    backends.push_back({.id = Id(i), .url = "http://" + servers_[i]->address()});
  }
  return backends;
}

void DemoBackends::Start() {
  for (const auto& server : servers_) server->Start();
}

void DemoBackends::Stop() {
  for (const auto& server : servers_) server->Stop();
}

}  // namespace remora::server
