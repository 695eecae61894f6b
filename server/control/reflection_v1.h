// grpc.reflection.v1, for clients that no longer ask for v1alpha.
//
// gRPC 1.51 brings v1alpha only. The messages of the two are the same on the wire, so each stream
// of v1 is relayed, undecoded, to the built-in v1alpha service over an in-process channel.
// A newer gRPC that brings v1 itself takes the method before it gets here.
//
// Threads: gRPC calls on its own; one message is under way at a time in a stream.
// Lifetime: outlives the gRPC server it is registered with.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>

namespace remora::server {

class ReflectionV1 final : public grpc::CallbackGenericService {
 public:
  // Until then, every call is answered UNIMPLEMENTED. Before the first connection only.
  void RelayTo(const std::shared_ptr<grpc::Channel>& channel);

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;

 private:
  std::unique_ptr<grpc::GenericStub> stub_;
};

}  // namespace remora::server
