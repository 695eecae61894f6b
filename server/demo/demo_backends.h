// Three backends inside the process for `remorad --demo`, so that a first look needs nothing else.
//
// Each listens on a free port of 127.0.0.1, answers every request with one line that names it, and
// GET /health with 200. One thread: that of `loop`. Lifetime: as HttpServer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proxy/net/asio_loop.h"
#include "server/admin/http_server.h"

namespace remora::server {

class DemoBackends {
 public:
  static absl::StatusOr<std::unique_ptr<DemoBackends>> Open(proxy::net::AsioLoop& loop);

  // "demo-1" and where it listens.
  struct Backend {
    std::string id;
    std::string url;
  };
  std::vector<Backend> backends() const;

  void Start();
  void Stop();

 private:
  std::vector<std::unique_ptr<HttpServer>> servers_;
};

}  // namespace remora::server
