// The service remora.v1.Control: check, convert, call the registry, convert back.
//
// Threads: gRPC calls the handlers on its own threads, several at a time; they never wait for
// another thread. Lifetime: `registry` and `readiness` outlive it, and it outlives the gRPC server
// it is registered with.
#pragma once

#include <string>

#include "proxy/registry/registry.h"
#include "remora/v1/control.grpc.pb.h"
#include "server/readiness.h"

namespace remora::server {

class ControlService final : public v1::Control::CallbackService {
 public:
  // `version` is what Health reports.
  ControlService(proxy::Registry& registry, const Readiness& readiness, std::string version)
      : registry_(registry), readiness_(readiness), version_(std::move(version)) {}

  grpc::ServerUnaryReactor* AddServer(grpc::CallbackServerContext* context,
                                      const v1::AddServerRequest* request,
                                      v1::AddServerResponse* response) override;
  grpc::ServerUnaryReactor* RemoveServer(grpc::CallbackServerContext* context,
                                         const v1::RemoveServerRequest* request,
                                         v1::RemoveServerResponse* response) override;
  grpc::ServerUnaryReactor* ListServers(grpc::CallbackServerContext* context,
                                        const v1::ListServersRequest* request,
                                        v1::ListServersResponse* response) override;
  grpc::ServerUnaryReactor* GetServer(grpc::CallbackServerContext* context,
                                      const v1::GetServerRequest* request,
                                      v1::Server* response) override;
  grpc::ServerUnaryReactor* Health(grpc::CallbackServerContext* context,
                                   const v1::HealthRequest* request,
                                   v1::HealthResponse* response) override;

 private:
  proxy::Registry& registry_;
  const Readiness& readiness_;
  const std::string version_;
};

}  // namespace remora::server
