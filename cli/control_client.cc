#include "cli/control_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "cli/address.h"
#include "cli/duration.h"
#include "remora/v1/control.grpc.pb.h"

namespace remora::cli {
namespace {

// gRPC reports a missing socket and a forbidden one alike, as UNAVAILABLE; people need to know
// which. (The socket may still go away before the call: then gRPC's own error is shown.)
Outcome CheckSocket(const std::string& address) {
  const auto path = UnixPath(address);
  if (!path || ::access(path->c_str(), R_OK | W_OK) == 0) return {};
  if (errno == EACCES) {
    return std::unexpected(FailureFrom(
        {grpc::StatusCode::PERMISSION_DENIED, "may not open the socket " + *path}, address));
  }
  return std::unexpected(
      FailureFrom({grpc::StatusCode::UNAVAILABLE, "there is no socket " + *path}, address));
}

class GrpcControlClient final : public ControlClient {
 public:
  GrpcControlClient(std::string address, std::chrono::milliseconds timeout,
                    std::unique_ptr<v1::Control::Stub> stub)
      : address_(std::move(address)), timeout_(timeout), stub_(std::move(stub)) {}

  Reply<v1::AddServerResponse> AddServer(const v1::AddServerRequest& request) override {
    return Call(&v1::Control::Stub::AddServer, request);
  }
  Reply<v1::RemoveServerResponse> RemoveServer(const v1::RemoveServerRequest& request) override {
    return Call(&v1::Control::Stub::RemoveServer, request);
  }
  Reply<v1::UpdateServerResponse> UpdateServer(const v1::UpdateServerRequest& request) override {
    return Call(&v1::Control::Stub::UpdateServer, request);
  }
  Reply<v1::DrainServerResponse> DrainServer(const v1::DrainServerRequest& request) override {
    return Call(&v1::Control::Stub::DrainServer, request);
  }
  Reply<v1::UndrainServerResponse> UndrainServer(const v1::UndrainServerRequest& request) override {
    return Call(&v1::Control::Stub::UndrainServer, request);
  }
  Reply<v1::ReplaceServersResponse> ReplaceServers(
      const v1::ReplaceServersRequest& request) override {
    return Call(&v1::Control::Stub::ReplaceServers, request);
  }
  Reply<v1::ListServersResponse> ListServers(const v1::ListServersRequest& request) override {
    return Call(&v1::Control::Stub::ListServers, request);
  }
  Reply<v1::Server> GetServer(const v1::GetServerRequest& request) override {
    return Call(&v1::Control::Stub::GetServer, request);
  }
  Reply<v1::HealthResponse> Health(const v1::HealthRequest& request) override {
    return Call(&v1::Control::Stub::Health, request);
  }
  Reply<v1::ShutdownResponse> Shutdown(const v1::ShutdownRequest& request) override {
    return Call(&v1::Control::Stub::Shutdown, request);
  }

 private:
  template <class Request, class Response>
  Reply<Response> Call(grpc::Status (v1::Control::Stub::*method)(grpc::ClientContext*,
                                                                 const Request&, Response*),
                       const Request& request) {
    if (auto usable = CheckSocket(address_); !usable) {
      return std::unexpected(std::move(usable.error()));
    }
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout_);
    Response response;
    grpc::Status status = ((*stub_).*method)(&context, request, &response);
    if (status.ok()) return response;
    // Nothing here cancels a call: gRPC says this of a server that ended meanwhile.
    if (status.error_code() == grpc::StatusCode::CANCELLED) {
      status = {grpc::StatusCode::UNAVAILABLE, "the server ended before it answered"};
    }
    Failure failure = FailureFrom(status, address_);
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      failure.message = "no answer within " + FormatDuration(timeout_);
    }
    return std::unexpected(std::move(failure));
  }

  std::string address_;
  std::chrono::milliseconds timeout_;
  std::unique_ptr<v1::Control::Stub> stub_;
};

}  // namespace

Reply<std::unique_ptr<ControlClient>> Connect(const std::string& address,
                                              std::chrono::milliseconds timeout) {
  const auto target = TargetFor(address);
  if (!target) {
    return std::unexpected(Failure{.exit = ExitCode::kUsage,
                                   .message = target.error(),
                                   .hint = "set it with --server or REMORA_SERVER"});
  }
  grpc::ChannelArguments arguments;
  // The sidecar is at hand: a proxy named in the environment is for other traffic.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Nor does it need sparing: whoever waits for it to come back wants to know soon.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  auto channel = grpc::CreateCustomChannel(*target, grpc::InsecureChannelCredentials(), arguments);
  return std::make_unique<GrpcControlClient>(address, timeout, v1::Control::NewStub(channel));
}

}  // namespace remora::cli
