// The service remora.v1.Control: check, convert, call the registry, convert back.
//
// Threads: gRPC calls the handlers on its own threads, several at a time; they never wait for
// another thread. Lifetime: `registry` and `readiness` outlive it, and it outlives the gRPC server
// it is registered with.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "proxy/registry/registry.h"
#include "remora/v1/control.grpc.pb.h"
#include "server/control/call_counts.h"
#include "server/control/lifecycle.h"
#include "server/control/server_counters.h"
#include "server/readiness.h"

namespace remora::server {

// The server that a call is about, as it is or would be named in the registry.
struct ControlTarget {
  std::string pool;
  std::string id;
  std::string url;
};

// What the service asks of the daemon; each may be null.
struct ControlHooks {
  ServerCountersSource counters = nullptr;  // for ServerStatus
  ListenersSource listeners = nullptr;
  ShutdownHook shutdown = nullptr;
};

class ControlService final : public v1::Control::CallbackService {
 public:
  // `version` is what Health reports.
  ControlService(proxy::Registry& registry, const Readiness& readiness, std::string version,
                 ControlHooks hooks = {})
      : registry_(registry),
        readiness_(readiness),
        version_(std::move(version)),
        hooks_(std::move(hooks)) {}

  grpc::ServerUnaryReactor* AddServer(grpc::CallbackServerContext* context,
                                      const v1::AddServerRequest* request,
                                      v1::AddServerResponse* response) override;
  grpc::ServerUnaryReactor* RemoveServer(grpc::CallbackServerContext* context,
                                         const v1::RemoveServerRequest* request,
                                         v1::RemoveServerResponse* response) override;
  grpc::ServerUnaryReactor* UpdateServer(grpc::CallbackServerContext* context,
                                         const v1::UpdateServerRequest* request,
                                         v1::UpdateServerResponse* response) override;
  grpc::ServerUnaryReactor* DrainServer(grpc::CallbackServerContext* context,
                                        const v1::DrainServerRequest* request,
                                        v1::DrainServerResponse* response) override;
  grpc::ServerUnaryReactor* UndrainServer(grpc::CallbackServerContext* context,
                                          const v1::UndrainServerRequest* request,
                                          v1::UndrainServerResponse* response) override;
  grpc::ServerUnaryReactor* ReplaceServers(grpc::CallbackServerContext* context,
                                           const v1::ReplaceServersRequest* request,
                                           v1::ReplaceServersResponse* response) override;
  grpc::ServerUnaryReactor* ListServers(grpc::CallbackServerContext* context,
                                        const v1::ListServersRequest* request,
                                        v1::ListServersResponse* response) override;
  grpc::ServerUnaryReactor* GetServer(grpc::CallbackServerContext* context,
                                      const v1::GetServerRequest* request,
                                      v1::Server* response) override;
  grpc::ServerUnaryReactor* Health(grpc::CallbackServerContext* context,
                                   const v1::HealthRequest* request,
                                   v1::HealthResponse* response) override;
  grpc::ServerUnaryReactor* Shutdown(grpc::CallbackServerContext* context,
                                     const v1::ShutdownRequest* request,
                                     v1::ShutdownResponse* response) override;

  // Any thread.
  CallCounts::Map calls() const { return calls_.Get(); }

 private:
  grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, std::string_view rpc,
                                   const grpc::Status& status);
  // An attempt to change something that came to nothing.
  grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, std::string_view rpc,
                                   const ControlTarget& target, const absl::Status& status);
  // As ToProto, with the counters.
  v1::Server Report(const proxy::ServerView& view) const;

  proxy::Registry& registry_;
  const Readiness& readiness_;
  const std::string version_;
  const ControlHooks hooks_;
  CallCounts calls_;
};

}  // namespace remora::server
