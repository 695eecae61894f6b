// The control API over its real socket: the RPCs, health, reflection, and floods.
#include "server/control/control_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "proxy/base/log.h"
#include "proxy/base/socket_address.h"
#include "tests/unit/server/control_fixture.h"

namespace remora::server {
namespace {

using std::chrono::milliseconds;

class ControlServerTest : public ControlFixture {
 protected:
  // Sends serialised messages to a method that we have no stub for; the last answer comes back.
  static grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                           const std::vector<std::string>& requests, std::string* answer) {
    Context context;
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel);
    auto stream = stub.PrepareCall(&context, method, &queue);
    void* tag = nullptr;
    bool ok = false;
    const auto done = [&] { return queue.Next(&tag, &ok) && ok; };
    stream->StartCall(nullptr);
    done();
    for (const std::string& request : requests) {
      const grpc::Slice slice(request);
      stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
      if (!done()) break;
      grpc::ByteBuffer buffer;
      stream->Read(&buffer, nullptr);
      if (!done()) break;
      std::vector<grpc::Slice> slices;
      buffer.Dump(&slices);
      answer->clear();
      for (const grpc::Slice& part : slices) answer->append(part.begin(), part.end());
    }
    grpc::Status status;
    stream->WritesDone(nullptr);
    done();
    stream->Finish(&status, nullptr);
    done();
    return status;
  }
};

TEST_F(ControlServerTest, CountersComeFromTheirSourceByName) {
  ASSERT_TRUE(Add("http://127.0.0.1:9001").ok());
  ControlService counting(registry_, readiness_, "1.2.3",
                          {.counters = [](std::string_view pool, std::string_view id) {
                            std::optional<ServerCounters> counters;
                            if (pool == "default" && id == "127-0-0-1-9001") {
                              counters = {.requests = 5, .failures = 1, .p50 = {}, .p99 = {}};
                            }
                            return counters;
                          }});
  auto server = ControlServer::Open("unix:" + directory_ + "/counting.sock", false);
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_TRUE((*server)->Start(counting).ok());
  const auto stub = v1::Control::NewStub(
      grpc::CreateChannel((*server)->address(), grpc::InsecureChannelCredentials()));
  Context context;
  v1::ListServersResponse listed;
  ASSERT_TRUE(stub->ListServers(&context, {}, &listed).ok());
  EXPECT_EQ(listed.servers(0).status().requests_total(), 5U);
  EXPECT_EQ(listed.servers(0).status().failures_total(), 1U);
  (*server)->Stop(milliseconds(1000));
}

TEST_F(ControlServerTest, AddingTheSameServerTwiceIsOneServer) {
  v1::AddServerResponse first;
  ASSERT_TRUE(Add("http://127.0.0.1:9001", &first).ok());
  EXPECT_TRUE(first.created());
  EXPECT_EQ(first.server().id(), "127-0-0-1-9001");
  EXPECT_EQ(first.server().pool(), "default");
  EXPECT_EQ(first.server().owner(), "api");
  EXPECT_EQ(first.server().spec().weight(), 1U);
  EXPECT_EQ(first.server().status().state(), v1::ServerStatus::WARMING);
  v1::AddServerResponse second;
  ASSERT_TRUE(Add("http://127.0.0.1:9001", &second, 1).ok());
  EXPECT_FALSE(second.created());
  EXPECT_EQ(second.server().uid(), first.server().uid());
}

TEST_F(ControlServerTest, TheSameIdWithAnotherSpecAlreadyExists) {
  ASSERT_TRUE(Add("http://127.0.0.1:9001").ok());
  const grpc::Status status = Add("http://127.0.0.1:9001", nullptr, 2);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(ReasonIn(status), "SERVER_ALREADY_EXISTS");
}

TEST_F(ControlServerTest, EveryFieldAtFaultIsNamed) {
  const grpc::Status status = Add("https://a", nullptr, 1001, "NO");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  ASSERT_EQ(details.details_size(), 2);
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  ASSERT_EQ(bad_request.field_violations_size(), 3);
  EXPECT_EQ(bad_request.field_violations(0).field(), "spec.weight");
  EXPECT_EQ(bad_request.field_violations(1).field(), "spec.url");
  EXPECT_EQ(bad_request.field_violations(2).field(), "id");
}

TEST_F(ControlServerTest, ARemovedServerIsGoneAndASecondRemovalSaysSo) {
  ASSERT_TRUE(Add("http://127.0.0.1:9001").ok());
  v1::RemoveServerRequest request;
  request.set_id("127-0-0-1-9001");
  v1::RemoveServerResponse response;
  ASSERT_TRUE(Remove(request, &response).ok());
  EXPECT_EQ(response.server().status().state(), v1::ServerStatus::DRAINING);
  const grpc::Status again = Remove(request);
  EXPECT_EQ(again.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonIn(again), "SERVER_NOT_FOUND");
  request.set_allow_missing(true);
  EXPECT_TRUE(Remove(request, &response).ok());
  EXPECT_FALSE(response.has_server());
}

TEST_F(ControlServerTest, APoolThatIsNotThereStaysAnErrorWithAllowMissing) {
  v1::RemoveServerRequest request;
  request.set_pool("nope");
  request.set_id("x");
  request.set_allow_missing(true);
  EXPECT_EQ(ReasonIn(Remove(request)), "POOL_NOT_FOUND");
}

TEST_F(ControlServerTest, ARemovalNeedsAnIdAndADrainTimeoutInRange) {
  v1::RemoveServerRequest request;
  EXPECT_EQ(Remove(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_id("x");
  request.mutable_drain_timeout()->set_seconds(3601);
  const grpc::Status status = Remove(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("drain_timeout"), std::string::npos);
}

// A client takes 8 KiB of trailers and ends the call with an error of its own beyond that.
TEST_F(ControlServerTest, WhateverIsSentTheErrorArrivesWithItsReason) {
  for (const std::string& text :
       {std::string(50'000, 'x'), std::string(50'000, '%'), std::string(50'000, '\x01')}) {
    v1::AddServerRequest add;
    add.set_id(text.substr(0, 10'000));
    add.mutable_spec()->set_url(text.substr(0, 10'000));
    for (int i = 0; i < 40; ++i) {
      (*add.mutable_spec()->mutable_labels())[text.substr(0, 500) + std::to_string(i)] = "v";
    }
    Context one;
    v1::AddServerResponse ignored;
    EXPECT_EQ(ReasonIn(stub_->AddServer(&one, add, &ignored)), "INVALID_FIELD");
    add.set_pool(text.substr(0, 10'000));
    Context two;
    EXPECT_EQ(ReasonIn(stub_->AddServer(&two, add, &ignored)), "POOL_NOT_FOUND");
    v1::RemoveServerRequest remove;
    remove.set_id(text);
    EXPECT_EQ(ReasonIn(Remove(remove)), "INVALID_FIELD");
    v1::GetServerRequest get;
    get.set_id(text);
    Context three;
    v1::Server server;
    EXPECT_EQ(ReasonIn(stub_->GetServer(&three, get, &server)), "INVALID_FIELD");
    v1::ListServersRequest list;
    list.set_pool(text);
    Context four;
    v1::ListServersResponse page;
    EXPECT_EQ(ReasonIn(stub_->ListServers(&four, list, &page)), "POOL_NOT_FOUND");
  }
}

TEST_F(ControlServerTest, TheAuditNamesTheServerThatIsMeant) {
  log::Init(log::Level::kInfo, log::Format::kJson);
  testing::internal::CaptureStderr();
  EXPECT_TRUE(Add("127.0.0.1:9001").ok());
  EXPECT_FALSE(Add("127.0.0.1:9001", nullptr, 2).ok());  // refused, with an id that was not given
  EXPECT_FALSE(Add("http://a:1/" + std::string(300, 'x') + "€ ").ok());
  const proxy::BackendSet& set = *registry_.snapshot()->pools.at(0);
  const std::shared_ptr<proxy::Backend> backend = set.backends.at(0);
  ASSERT_TRUE(backend->admission().TryAdmit(backend->admission().Load()));
  v1::RemoveServerRequest request;
  request.set_id("127-0-0-1-9001");
  EXPECT_TRUE(Remove(request).ok());
  EXPECT_TRUE(Remove(request).ok());
  backend->Release();
  const std::string text = testing::internal::GetCapturedStderr();
  log::Init(log::Level::kInfo, log::Format::kAuto);
  const std::string named = R"("pool":"default","id":"127-0-0-1-9001",)";
  std::vector<std::string> lines;
  for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) lines.emplace_back(line);
  ASSERT_EQ(lines.size(), 5U) << text;
  for (const std::size_t i : {0U, 1U, 3U, 4U}) {
    EXPECT_NE(lines[i].find(named), std::string::npos) << lines[i];
  }
  EXPECT_NE(lines[0].find(R"("result":"created")"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find(R"("result":"SERVER_ALREADY_EXISTS")"), std::string::npos) << lines[1];
  EXPECT_NE(lines[2].find("xxx...\","), std::string::npos) << lines[2];
  EXPECT_NE(lines[3].find(R"("result":"removed")"), std::string::npos) << lines[3];
  EXPECT_NE(lines[4].find(R"("result":"already draining")"), std::string::npos) << lines[4];
}

TEST_F(ControlServerTest, PagesTogetherAreTheWholeListInOrder) {
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(Add("http://127.0.0.1:900" + std::to_string(i)).ok());
  std::vector<std::string> ids;
  v1::ListServersRequest request;
  request.set_page_size(2);
  int pages = 0;
  do {
    Context context;
    v1::ListServersResponse response;
    ASSERT_TRUE(stub_->ListServers(&context, request, &response).ok());
    for (const v1::Server& server : response.servers()) ids.push_back(server.id());
    EXPECT_GT(response.revision(), 0U);
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(ids, (std::vector<std::string>{"127-0-0-1-9001", "127-0-0-1-9002", "127-0-0-1-9003",
                                           "127-0-0-1-9004", "127-0-0-1-9005"}));
}

TEST_F(ControlServerTest, APageIsNeverTooLargeForAClientWithDefaults) {
  std::map<std::string, std::string> labels;
  for (int i = 0; i < 64; ++i)
    labels[std::string(60, 'k') + std::to_string(i)] = std::string(256, 'v');
  for (int i = 0; i < 400; ++i) {
    const auto added =
        registry_.Add("", "s" + std::to_string(i),
                      {.url = "a:1", .weight = 1, .max_active = 0, .labels = labels}, "api");
    ASSERT_TRUE(added.ok()) << added.status();
  }
  v1::ListServersRequest request;
  request.set_page_size(1000);
  std::size_t seen = 0;
  do {
    Context context;
    v1::ListServersResponse response;
    const grpc::Status status = stub_->ListServers(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    seen += static_cast<std::size_t>(response.servers_size());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(seen, 400U);
}

TEST_F(ControlServerTest, ABadPageTokenIsAnsweredWithItsReason) {
  Context context;
  v1::ListServersRequest request;
  request.set_page_token("bogus");
  v1::ListServersResponse response;
  const grpc::Status status = stub_->ListServers(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonIn(status), "PAGE_TOKEN_INVALID");
}

TEST_F(ControlServerTest, AServerIsFoundByItsId) {
  ASSERT_TRUE(Add("http://127.0.0.1:9001", nullptr, 0, "one").ok());
  v1::GetServerRequest request;
  request.set_id("one");
  Context context;
  v1::Server server;
  ASSERT_TRUE(stub_->GetServer(&context, request, &server).ok());
  EXPECT_EQ(server.spec().url(), "http://127.0.0.1:9001");
  request.set_id("two");
  Context other;
  EXPECT_EQ(stub_->GetServer(&other, request, &server).error_code(), grpc::StatusCode::NOT_FOUND);
}

v1::HealthResponse HealthOf(v1::Control::Stub& stub) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  v1::HealthResponse response;
  const grpc::Status status = stub.Health(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

TEST_F(ControlServerTest, HealthTellsReadinessWithReasonsAndTotals) {
  ASSERT_TRUE(Add("http://127.0.0.1:9001").ok());
  v1::HealthResponse health = HealthOf(*stub_);
  EXPECT_FALSE(health.ready());
  EXPECT_EQ(health.reasons_size(), 2);
  EXPECT_EQ(health.version(), "1.2.3");
  ASSERT_EQ(health.pools_size(), 2);
  EXPECT_EQ(health.pools(0).pool(), "default");
  EXPECT_EQ(health.pools(0).total(), 1U);
  EXPECT_EQ(health.pools(0).warming(), 1U);
  readiness_.ListenersBound();
  readiness_.ServersProbed();
  EXPECT_TRUE(HealthOf(*stub_).ready());
  readiness_.BeginDrain(proxy::DrainScope::kAll);
  health = HealthOf(*stub_);
  EXPECT_FALSE(health.ready());
  ASSERT_EQ(health.reasons_size(), 1);
  EXPECT_EQ(health.reasons(0), "draining");
}

// grpc.health.v1.HealthCheckRequest{service = 1} and HealthCheckResponse{status = 1}.
TEST_F(ControlServerTest, TheStandardHealthServiceFollowsServing) {
  const std::string method = "/grpc.health.v1.Health/Check";
  const std::string ours = "\x0a\x11remora.v1.Control";
  const std::string kServing = "\x08\x01";
  const std::string kNotServing = "\x08\x02";
  std::string answer;
  EXPECT_TRUE(Call(Channel(), method, {""}, &answer).ok());
  EXPECT_EQ(answer, kNotServing);
  server_->SetServing();
  EXPECT_TRUE(Call(Channel(), method, {""}, &answer).ok());
  EXPECT_EQ(answer, kServing);
  EXPECT_TRUE(Call(Channel(), method, {ours}, &answer).ok());
  EXPECT_EQ(answer, kServing);
  EXPECT_EQ(Call(Channel(), method, {"\x0a\x01x"}, &answer).error_code(),
            grpc::StatusCode::NOT_FOUND);
  server_->SetNotServing();
  EXPECT_TRUE(Call(Channel(), method, {ours}, &answer).ok());
  EXPECT_EQ(answer, kNotServing);
}

TEST_F(ControlServerTest, ReflectionAnswersInBothVersions) {
  const std::string list_services = "\x3a\x01*";  // ServerReflectionRequest{list_services = 7}
  for (const std::string version : {"v1alpha", "v1"}) {
    std::string answer;
    const grpc::Status status =
        Call(Channel(), "/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo",
             {list_services, list_services}, &answer);
    EXPECT_TRUE(status.ok()) << version << ": " << status.error_message();
    EXPECT_NE(answer.find("remora.v1.Control"), std::string::npos) << version;
  }
}

// A stream of reflection that answered once and is left open.
class OpenReflection {
 public:
  explicit OpenReflection(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    stream_ = stub_.PrepareCall(
        &context_, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &queue_);
    stream_->StartCall(nullptr);
    Done();
    const grpc::Slice request("\x3a\x01*");
    stream_->Write(grpc::ByteBuffer(&request, 1), nullptr);
    Done();
    answered_ = Read();
  }
  // Waits for an answer; false at the end of the stream.
  bool Read() {
    grpc::ByteBuffer answer;
    stream_->Read(&answer, nullptr);
    return Done();
  }
  bool answered() const { return answered_; }
  grpc::StatusCode Finish() {
    grpc::Status status;
    stream_->Finish(&status, nullptr);
    Done();
    return status.error_code();
  }
  grpc::StatusCode Close() {
    stream_->WritesDone(nullptr);
    Done();
    return Finish();
  }

 private:
  bool Done() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool answered_ = false;
};

TEST_F(ControlServerTest, StreamsOfReflectionAreLimitedAndAPlaceIsUsedAgain) {
  const auto channel = Channel();
  std::vector<std::unique_ptr<OpenReflection>> open;
  for (int i = 0; i < 4; ++i) {
    open.push_back(std::make_unique<OpenReflection>(channel));
    EXPECT_TRUE(open.back()->answered());
  }
  OpenReflection beyond(channel);
  EXPECT_FALSE(beyond.answered());
  EXPECT_EQ(beyond.Finish(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (auto& one : open) EXPECT_EQ(one->Close(), grpc::StatusCode::OK);
  // The place is free when the server has seen the end, which may be a moment later.
  bool answered = false;
  for (int i = 0; i < 1000 && !answered; ++i) {
    OpenReflection again(channel);
    answered = again.answered();
    again.Close();
  }
  EXPECT_TRUE(answered);
}

TEST(ReflectionV1Test, AStreamWhoseClientIsSilentEnds) {
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  ReflectionV1 reflection({.streams = 1, .silence = milliseconds(300)});
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(&reflection);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  const auto channel = server->InProcessChannel({});
  reflection.RelayTo(channel);
  OpenReflection silent(channel);
  EXPECT_TRUE(silent.answered());
  EXPECT_FALSE(silent.Read());
  EXPECT_EQ(silent.Finish(), grpc::StatusCode::CANCELLED);
  server->Shutdown();
}

TEST_F(ControlServerTest, AMethodThatIsNotThereIsUnimplemented) {
  std::string answer;
  EXPECT_EQ(Call(Channel(), "/remora.v1.Control/Nope", {""}, &answer).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(ControlServerTest, ARequestOverTheLimitIsRefused) {
  const grpc::Status status = Add("http://a:1/" + std::string(5'000'000, 'x'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ControlServerTest, AFloodOfIdleConnectionsIsCappedAndHealthAnswersAfterIt) {
  const auto address =
      proxy::SocketAddress::FromUnixPath(server_->address().substr(std::string("unix:").size()));
  ASSERT_TRUE(Add("http://127.0.0.1:9000").ok());  // connects
  {
    std::vector<UniqueFd> flood;
    for (std::size_t i = 0; i < 3 * ControlServer::kMaxConnections; ++i) {
      UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ASSERT_TRUE(fd);
      ASSERT_EQ(connect(fd.get(), address->data(), address->size()), 0);
      flood.push_back(std::move(fd));
    }
    // Those that were there before are still served.
    ASSERT_TRUE(Add("http://127.0.0.1:9001").ok());
  }
  // A client of its own: a channel shares nothing with that of the stub.
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = v1::Control::NewStub(
      grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(), own));
  Context context;
  context.set_wait_for_ready(true);
  v1::HealthResponse response;
  const grpc::Status status = stub->Health(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace remora::server
