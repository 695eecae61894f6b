#include "server/control/reflection_v1.h"

#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/status.h"

namespace remora::server {
namespace {

constexpr std::size_t kMaxShown = 200;  // of a method that somebody made up
constexpr char kV1[] = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
constexpr char kV1Alpha[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

// One relayed stream: request up, answer down, then the next. Exactly one operation is in flight
// between the two sides, so whichever fails ends the relay, once, and nothing needs a lock.
// Owns itself: ends with OnDone of the server side, which comes after that of the client side.
// `streams` counts it and outlives it.
class Relay final : public grpc::ServerGenericBidiReactor {
 public:
  Relay(grpc::GenericCallbackServerContext* context, grpc::GenericStub& stub,
        std::chrono::milliseconds silence, std::atomic<int>& streams)
      : upstream_(*this), silence_(silence), watch_(std::make_shared<Watch>()), streams_(streams) {
    watch_->context = context;
    stub.PrepareBidiStreamingCall(&upstream_context_, kV1Alpha, grpc::StubOptions(), &upstream_);
    upstream_.AddHold();
    upstream_.StartCall();
    ReadNext();
  }

 private:
  // What the alarm may touch: it can go off while the relay ends.
  struct Watch {
    absl::Mutex mu;
    grpc::GenericCallbackServerContext* context ABSL_GUARDED_BY(mu) = nullptr;  // null at the end
    std::uint64_t turn ABSL_GUARDED_BY(mu) = 0;
  };

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

  // Gives the client the time of `silence_` for its next request and to take the answer.
  void ReadNext() {
    std::uint64_t turn = 0;
    {
      absl::MutexLock lock(&watch_->mu);
      turn = ++watch_->turn;
    }
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(std::chrono::system_clock::now() + silence_, [watch = watch_, turn](bool expired) {
      absl::MutexLock lock(&watch->mu);
      // A cancelled call fails what is in flight, which ends the relay as if the client had gone.
      if (expired && watch->context != nullptr && watch->turn == turn) watch->context->TryCancel();
    });
    StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    if (ok) return upstream_.StartWrite(&message_);
    upstream_.StartWritesDone();
    upstream_.RemoveHold();
  }
  void OnWriteDone(bool ok) override {
    if (ok) return ReadNext();
    upstream_context_.TryCancel();
    upstream_.RemoveHold();
  }
  void OnCancel() override { upstream_context_.TryCancel(); }
  void OnDone() override {
    {
      absl::MutexLock lock(&watch_->mu);
      watch_->context = nullptr;
    }
    --streams_;
    delete this;
  }

  Upstream upstream_;
  grpc::ClientContext upstream_context_;
  grpc::ByteBuffer message_;  // of whichever side has the operation in flight
  const std::chrono::milliseconds silence_;
  const std::shared_ptr<Watch> watch_;
  std::unique_ptr<grpc::Alarm> alarm_;
  std::atomic<int>& streams_;
};

class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }

 private:
  void OnDone() override { delete this; }
};

}  // namespace

void ReflectionV1::RelayTo(const std::shared_ptr<grpc::Channel>& channel) {
  stub_ = std::make_unique<grpc::GenericStub>(channel);
}

grpc::ServerGenericBidiReactor* ReflectionV1::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  if (stub_ == nullptr || context->method() != kV1) {
    return new Refusal(
        {grpc::StatusCode::UNIMPLEMENTED, "no method " + Shown(context->method(), kMaxShown)});
  }
  if (++streams_ > limits_.streams) {
    --streams_;
    return new Refusal({grpc::StatusCode::RESOURCE_EXHAUSTED,
                        "too many reflection streams are open; end one and try again"});
  }
  return new Relay(context, *stub_, limits_.silence, streams_);
}

}  // namespace remora::server
