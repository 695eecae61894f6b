// grpc.reflection.v1, for clients that no longer ask for v1alpha.
//
// gRPC 1.51 brings v1alpha only. The messages of the two are the same on the wire, so each stream
// of v1 is relayed, undecoded, to the built-in v1alpha service over an in-process channel.
// A newer gRPC that brings v1 itself takes the method before it gets here.
//
// Each stream holds one of the few threads of the blocking v1alpha service, so they are limited in
// number and end when their client is silent.
//
// Threads: gRPC calls on its own; one message is under way at a time in a stream.
// Lifetime: outlives the gRPC server it is registered with.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <chrono>
#include <memory>

namespace remora::server {

class ReflectionV1 final : public grpc::CallbackGenericService {
 public:
  struct Limits {
    int streams = 4;                            // at a time; more are RESOURCE_EXHAUSTED
    std::chrono::milliseconds silence{30'000};  // from one request to the next
  };

  ReflectionV1() : ReflectionV1(Limits()) {}
  explicit ReflectionV1(Limits limits) : limits_(limits) {}

  // Until then, every call is answered UNIMPLEMENTED. Before the first connection only.
  void RelayTo(const std::shared_ptr<grpc::Channel>& channel);

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;

 private:
  const Limits limits_;
  std::atomic<int> streams_ = 0;
  std::unique_ptr<grpc::GenericStub> stub_;
};

}  // namespace remora::server
