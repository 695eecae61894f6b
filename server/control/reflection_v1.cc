#include "server/control/reflection_v1.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <string>

namespace remora::server {
namespace {

constexpr char kV1[] = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
constexpr char kV1Alpha[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

// One relayed stream: request up, answer down, then the next. Exactly one operation is in flight
// between the two sides, so whichever fails ends the relay, once, and nothing needs a lock.
// Owns itself: ends with OnDone of the server side, which comes after that of the client side.
class Relay final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Relay(grpc::GenericStub& stub) : upstream_(*this) {
    stub.PrepareBidiStreamingCall(&upstream_context_, kV1Alpha, grpc::StubOptions(), &upstream_);
    upstream_.AddHold();
    upstream_.StartCall();
    StartRead(&message_);
  }

 private:
  class Upstream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    explicit Upstream(Relay& relay) : relay_(relay) {}

   private:
    void OnWriteDone(bool ok) override {
      if (!ok) return RemoveHold();
      StartRead(&relay_.message_);
    }
    void OnReadDone(bool ok) override {
      if (!ok) return RemoveHold();
      relay_.StartWrite(&relay_.message_);
    }
    // Without our hold, and with no operation in flight.
    void OnDone(const grpc::Status& status) override { relay_.Finish(status); }

    Relay& relay_;
  };

  void OnReadDone(bool ok) override {
    if (ok) return upstream_.StartWrite(&message_);
    upstream_.StartWritesDone();
    upstream_.RemoveHold();
  }
  void OnWriteDone(bool ok) override {
    if (ok) return StartRead(&message_);
    upstream_context_.TryCancel();
    upstream_.RemoveHold();
  }
  void OnCancel() override { upstream_context_.TryCancel(); }
  void OnDone() override { delete this; }

  Upstream upstream_;
  grpc::ClientContext upstream_context_;
  grpc::ByteBuffer message_;  // of whichever side has the operation in flight
};

class Unimplemented final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Unimplemented(const std::string& method) {
    Finish({grpc::StatusCode::UNIMPLEMENTED, "no method " + method});
  }

 private:
  void OnDone() override { delete this; }
};

}  // namespace

void ReflectionV1::RelayTo(const std::shared_ptr<grpc::Channel>& channel) {
  stub_ = std::make_unique<grpc::GenericStub>(channel);
}

grpc::ServerGenericBidiReactor* ReflectionV1::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  if (stub_ == nullptr || context->method() != kV1) return new Unimplemented(context->method());
  return new Relay(*stub_);
}

}  // namespace remora::server
