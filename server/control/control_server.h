// The control API on its socket: the gRPC server with remora.v1.Control, grpc.health.v1 and
// reflection, and the loop that accepts for it.
//
// Threads: one accept thread and gRPC's own. Open, Start, SetNotServing and Stop are called on one
// thread, the control thread.
// Lifetime: the service outlives it. Stop before it is destroyed, if it was started.
#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/control/accept_loop.h"
#include "server/control/listen_socket.h"
#include "server/control/reflection_v1.h"

namespace remora::server {

class ControlServer {
 public:
  // Control connections open at a time, or a quarter of the descriptors where that is less, so that
  // they can't take those of the data plane.
  static constexpr std::size_t kMaxConnections = 100;

  // Binds `address` ("unix:/path" or "ip:port"); peers wait in the backlog until Start.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Open(std::string_view address,
                                                             bool insecure);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  const std::string& address() const { return socket_.address(); }

  // grpc.health.v1 says NOT_SERVING until SetServing.
  absl::Status Start(grpc::Service& service);
  void SetServing();
  // For good: before a drain, so that clients look elsewhere while calls still work.
  void SetNotServing();
  // Accepts nothing more, lets running calls finish for `deadline`, then cancels them.
  void Stop(std::chrono::milliseconds deadline);

 private:
  explicit ControlServer(ListenSocket socket) : socket_(std::move(socket)) {}

  ListenSocket socket_;
  ReflectionV1 reflection_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::optional<AcceptLoop> accept_loop_;
};

}  // namespace remora::server
