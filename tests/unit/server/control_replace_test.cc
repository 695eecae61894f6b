// ReplaceServers over the real socket.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/server/control_fixture.h"

namespace remora::server {
namespace {

class ReplaceServersTest : public ControlFixture {
 protected:
  grpc::Status Replace(const v1::ReplaceServersRequest& request,
                       v1::ReplaceServersResponse* response = nullptr) {
    Context context;
    v1::ReplaceServersResponse ignored;
    return stub_->ReplaceServers(&context, request, response == nullptr ? &ignored : response);
  }

  static v1::ReplaceServersRequest ListOf(const std::string& owner,
                                          const std::vector<std::string>& urls) {
    v1::ReplaceServersRequest request;
    request.set_owner(owner);
    for (const std::string& url : urls) request.add_servers()->mutable_spec()->set_url(url);
    return request;
  }

  static std::string Told(const v1::ReplaceServersResponse& response) {
    std::string told;
    for (const v1::ServerChange& change : response.changes()) {
      if (!told.empty()) told += ", ";
      told += v1::ServerChange::Kind_Name(change.kind()) + " " + change.id();
    }
    return told;
  }
};

TEST_F(ReplaceServersTest, AListOfAControllerReplacesWhatItHadAndNothingElse) {
  ASSERT_TRUE(Add("127.0.0.1:9000", nullptr, 0, "mine").ok());
  v1::ReplaceServersResponse response;
  v1::ReplaceServersRequest request = ListOf("discovery:shop", {"127.0.0.1:1", "127.0.0.1:2"});
  ASSERT_TRUE(Replace(request, &response).ok());
  EXPECT_EQ(response.changes_size(), 2);
  EXPECT_EQ(response.revision(), registry_.snapshot()->revision);
  EXPECT_EQ(registry_.Get("", "127-0-0-1-1")->owner, "discovery:shop");

  request = ListOf("discovery:shop", {"127.0.0.1:2", "127.0.0.1:3"});
  request.set_validate_only(true);
  ASSERT_TRUE(Replace(request, &response).ok());
  EXPECT_EQ(Told(response), "REMOVE 127-0-0-1-1, ADD 127-0-0-1-3");
  EXPECT_TRUE(registry_.Get("", "127-0-0-1-1").ok()) << "only validated";

  request.set_validate_only(false);
  request.mutable_servers(0)->mutable_spec()->set_weight(9);
  ASSERT_TRUE(Replace(request, &response).ok());
  EXPECT_EQ(Told(response), "REMOVE 127-0-0-1-1, UPDATE 127-0-0-1-2, ADD 127-0-0-1-3");
  EXPECT_EQ(response.changes(1).before().weight(), 1U);
  EXPECT_EQ(response.changes(1).after().weight(), 9U);
  EXPECT_FALSE(response.changes(0).has_after());
  EXPECT_FALSE(response.changes(2).has_before());
  ASSERT_TRUE(Replace(request, &response).ok());
  EXPECT_EQ(Told(response), "");
  EXPECT_EQ(response.unchanged(), 2U);

  ASSERT_TRUE(Replace(ListOf("discovery:shop", {}), &response).ok());
  EXPECT_EQ(registry_.Totals().at(0).warming, 1U) << "what another owner has";
}

TEST_F(ReplaceServersTest, AListThatCanNotBeIsRefusedWithItsReason) {
  ASSERT_TRUE(Add("127.0.0.1:9000", nullptr, 0, "mine").ok());
  for (const char* owner : {"", "config", "discovery:", "discovery:No", "somebody"}) {
    const grpc::Status status = Replace(ListOf(owner, {}));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << owner;
    EXPECT_NE(status.error_message().find("discovery:<name>"), std::string::npos);
  }
  v1::ReplaceServersRequest request = ListOf("discovery:shop", {"127.0.0.1:1"});
  request.mutable_servers(0)->set_id("mine");
  EXPECT_EQ(ReasonIn(Replace(request)), "SERVER_OF_ANOTHER_OWNER");
  request.mutable_servers(0)->clear_id();
  request.set_if_revision(registry_.snapshot()->revision + 1);
  EXPECT_EQ(ReasonIn(Replace(request)), "REVISION_CHANGED");
  request.clear_if_revision();
  request.mutable_drain_timeout()->set_seconds(-1);
  EXPECT_EQ(ReasonIn(Replace(request)), "INVALID_FIELD");
  EXPECT_FALSE(registry_.Get("", "127-0-0-1-1").ok());
}

TEST_F(ReplaceServersTest, AListAsLongAsTheRegistryIsTakenAndItsAnswerIsNotTooLong) {
  std::vector<std::string> urls;
  for (std::size_t i = 0; i < proxy::Registry::kMaxServers; ++i) {
    urls.push_back(std::string(100, 'a') + "." + std::to_string(i) + ".example:8080");
  }
  v1::ReplaceServersResponse response;
  ASSERT_TRUE(Replace(ListOf("discovery:shop", urls), &response).ok());
  EXPECT_GT(response.changes_size(), 1000);
  EXPECT_EQ(static_cast<std::size_t>(response.changes_size()) + response.changes_omitted(),
            urls.size());
}

}  // namespace
}  // namespace remora::server
