// A control service over its real socket, with a stub.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proxy/registry/registry.h"
#include "remora/v1/control.grpc.pb.h"
#include "server/control/control_server.h"
#include "server/control/control_service.h"
#include "server/readiness.h"

namespace remora::server {

class NoEvents final : public proxy::BackendEvents {
 public:
  void OnDrained(const proxy::Backend&) override {}
  void OnConnectFailed(const proxy::Backend&) override {}
};

class ControlFixture : public testing::Test {
 protected:
  explicit ControlFixture(ControlHooks hooks = {})
      : service_(registry_, readiness_, "1.2.3", std::move(hooks)) {}

  void SetUp() override {
    std::string pattern = testing::TempDir() + "remora-control-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    auto server = ControlServer::Open("unix:" + directory_ + "/control.sock", false);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    ASSERT_TRUE(server_->Start(service_).ok());
    stub_ = v1::Control::NewStub(Channel());
  }
  void TearDown() override {
    server_->Stop(std::chrono::milliseconds(1000));
    std::filesystem::remove_all(directory_);
  }

  std::shared_ptr<grpc::Channel> Channel() const {
    return grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  }

  struct Context : grpc::ClientContext {
    Context() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10)); }
  };

  grpc::Status Add(const std::string& url, v1::AddServerResponse* response = nullptr,
                   std::uint32_t weight = 0, const std::string& id = {}) {
    Context context;
    v1::AddServerRequest request;
    request.set_id(id);
    request.mutable_spec()->set_url(url);
    request.mutable_spec()->set_weight(weight);
    v1::AddServerResponse ignored;
    return stub_->AddServer(&context, request, response == nullptr ? &ignored : response);
  }

  grpc::Status Remove(const v1::RemoveServerRequest& request,
                      v1::RemoveServerResponse* response = nullptr) {
    Context context;
    v1::RemoveServerResponse ignored;
    return stub_->RemoveServer(&context, request, response == nullptr ? &ignored : response);
  }

  static std::string ReasonIn(const grpc::Status& status) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    if (!details.ParseFromString(status.error_details()) || details.details_size() == 0 ||
        !details.details(0).UnpackTo(&info)) {
      return "no ErrorInfo";
    }
    return info.reason();
  }

  std::string directory_;
  NoEvents events_;
  proxy::Registry registry_{{"default", "api"}, &events_};
  Readiness readiness_;
  ControlService service_;
  std::unique_ptr<ControlServer> server_;
  std::unique_ptr<v1::Control::Stub> stub_;
};

}  // namespace remora::server
