#include "server/control/control_server.h"

#include <grpc/health/v1/health.pb.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

namespace remora::server {
namespace {

constexpr char kServiceName[] = "remora.v1.Control";
// A list of all the servers that a registry can hold, with some labels each.
constexpr int kMaxRequestBytes = 4 * 1024 * 1024;
constexpr int kMaxStreams = 100;
constexpr int kMaxMetadataBytes = 8 * 1024;
// Reflection of gRPC 1.51 is a blocking service: a thread for each stream that is open.
constexpr int kMaxThreads = 16;

int Milliseconds(std::chrono::milliseconds time) { return static_cast<int>(time.count()); }

// Limits of a connection. One that never speaks, or no longer, gives its place back.
void SetConnectionLimits(grpc::ServerBuilder& builder) {
  using std::chrono::minutes;
  using std::chrono::seconds;
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Milliseconds(seconds(10)));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, Milliseconds(minutes(5)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(minutes(5)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(seconds(20)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(minutes(5)));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
}

std::size_t ConnectionCap() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return ControlServer::kMaxConnections;
  return std::clamp<std::size_t>(limit.rlim_cur / 4, 1, ControlServer::kMaxConnections);
}

void SetHealth(grpc::Server& server, bool serving) {
  grpc::HealthCheckServiceInterface* health = server.GetHealthCheckService();
  health->SetServingStatus("", serving);
  health->SetServingStatus(kServiceName, serving);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Open(std::string_view address,
                                                                   bool insecure) {
  absl::StatusOr<ListenSocket> socket = ListenSocket::Open(address, insecure);
  if (!socket.ok()) return socket.status();
  return std::unique_ptr<ControlServer>(new ControlServer(*std::move(socket)));
}

ControlServer::~ControlServer() {
  if (server_ != nullptr) Stop(std::chrono::milliseconds(0));
}

absl::Status ControlServer::Start(grpc::Service& service) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  // gRPC serves the health service but has no descriptor of it for reflection; naming ours links
  // it.
  grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::ServerBuilder builder;
  grpc::ResourceQuota quota;
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  SetConnectionLimits(builder);
  builder.RegisterService(&service);
  builder.RegisterCallbackGenericService(&reflection_);
  using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      Type::FROM_FD, grpc::InsecureServerCredentials());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("the gRPC server did not start");
  SetHealth(*server_, false);
  reflection_.RelayTo(server_->InProcessChannel({}));
  accept_loop_.emplace(socket_, ConnectionCap(), [this](UniqueFd fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = socket_.fd();
    connection.fd = fd.Release();  // gRPC closes it
    acceptor_->HandleNewConnection(&connection);
  });
  return absl::OkStatus();
}

void ControlServer::SetServing() { SetHealth(*server_, true); }

// Shutdown of the health service makes the answer final.
void ControlServer::SetNotServing() { server_->GetHealthCheckService()->Shutdown(); }

void ControlServer::Stop(std::chrono::milliseconds deadline) {
  accept_loop_.reset();
  server_->Shutdown(std::chrono::system_clock::now() + deadline);
  server_->Wait();
  server_.reset();
}

}  // namespace remora::server
