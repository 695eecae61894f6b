// The Shutdown RPC and what Health says of the listeners.
#include <chrono>
#include <vector>

#include "proxy/base/log.h"
#include "tests/unit/server/control_fixture.h"

namespace remora::server {
namespace {

using std::chrono::seconds;

// A service that can be shut down, with two listeners.
class ControlShutdownTest : public ControlFixture {
 protected:
  ControlShutdownTest()
      : ControlFixture({.listeners =
                            [] {
                              return std::vector<proxy::ListenerView>{
                                  {.address = "127.0.0.1:1", .pool = "default"},
                                  {.address = "127.0.0.1:2",
                                   .pool = "api",
                                   .direction = proxy::Direction::kInbound,
                                   .state = proxy::ListenerView::State::kDraining,
                                   .connections = 3}};
                            },
                        .shutdown =
                            [this](proxy::DrainScope scope) {
                              asked_.push_back(scope);
                              return ShutdownNotice{.deadline = proxy::WallTime(seconds(9)),
                                                    .begun = asked_.size() == 1};
                            }}) {}

  std::vector<proxy::DrainScope> asked_;  // each call has returned before it is read
};

using ControlWithoutHooksTest = ControlFixture;

grpc::Status Shutdown(v1::Control::Stub& stub, int scope,
                      v1::ShutdownResponse* response = nullptr) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(10));
  v1::ShutdownRequest request;
  request.set_scope(static_cast<v1::ShutdownRequest::Scope>(scope));
  v1::ShutdownResponse ignored;
  return stub.Shutdown(&context, request, response == nullptr ? &ignored : response);
}

TEST_F(ControlShutdownTest, TheScopeIsPassedOnAndWhatIsBegunIsAudited) {
  log::Init(log::Level::kInfo, log::Format::kJson);
  testing::internal::CaptureStderr();
  v1::ShutdownResponse response;
  EXPECT_TRUE(Shutdown(*stub_, v1::ShutdownRequest::INBOUND, &response).ok());
  EXPECT_TRUE(Shutdown(*stub_, v1::ShutdownRequest::SCOPE_UNSPECIFIED).ok());
  EXPECT_TRUE(Shutdown(*stub_, v1::ShutdownRequest::ALL).ok());
  const grpc::Status refused = Shutdown(*stub_, 7);
  const std::string text = testing::internal::GetCapturedStderr();
  log::Init(log::Level::kInfo, log::Format::kAuto);
  EXPECT_EQ(response.deadline().seconds(), 9);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonIn(refused), "INVALID_FIELD");
  EXPECT_EQ(refused.error_message(), "scope: 7 is no scope; ALL (1) and INBOUND (2) are");
  using enum proxy::DrainScope;
  EXPECT_EQ(asked_, (std::vector{kInbound, kAll, kAll}));
  EXPECT_NE(text.find(R"("rpc":"Shutdown","scope":"INBOUND","peer":")"), std::string::npos) << text;
  for (const char* const result : {"draining", "unchanged", "INVALID_FIELD"}) {
    EXPECT_NE(text.find(R"("result":")" + std::string(result)), std::string::npos) << text;
  }
  const auto calls = service_.calls();
  EXPECT_EQ(calls.at({"Shutdown", "OK"}), 3U);
  EXPECT_EQ(calls.at({"Shutdown", "INVALID_ARGUMENT"}), 1U);
}

TEST_F(ControlWithoutHooksTest, AServiceThatCanNotBeShutDownSaysSo) {
  EXPECT_EQ(Shutdown(*stub_, v1::ShutdownRequest::ALL).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(ControlShutdownTest, HealthTellsTheStateOfEachListener) {
  Context context;
  v1::HealthResponse health;
  ASSERT_TRUE(stub_->Health(&context, {}, &health).ok());
  ASSERT_EQ(health.listeners_size(), 2);
  EXPECT_EQ(health.listeners(0).address(), "127.0.0.1:1");
  EXPECT_EQ(health.listeners(0).pool(), "default");
  EXPECT_EQ(health.listeners(0).direction(), v1::ListenerHealth::OUTBOUND);
  EXPECT_EQ(health.listeners(0).state(), v1::ListenerHealth::ACCEPTING);
  EXPECT_EQ(health.listeners(1).direction(), v1::ListenerHealth::INBOUND);
  EXPECT_EQ(health.listeners(1).state(), v1::ListenerHealth::DRAINING);
  EXPECT_EQ(health.listeners(1).connections(), 3U);
}

}  // namespace
}  // namespace remora::server
