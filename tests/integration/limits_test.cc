// Each limit is kept, is told to the client, and leaves nothing behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/fake_backend.h"
#include "tests/support/full_listener.h"
#include "tests/support/running_proxy.h"

namespace remora::proxy {
namespace {

using std::chrono::milliseconds;
using testing::Eventually;
using testing::FakeBackend;
using testing::FullListener;
using testing::Message;
using testing::Peer;
using testing::ReadEnd;
using testing::RunningProxy;
using ::testing::StartsWith;
using testing::TestSettings;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

std::string PostHead(std::string_view fields) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

FakeBackend::Script ReadAll() {
  return [](Peer& peer, FakeBackend& self) {
    Message request = peer.ReadRequest();
    self.Record(request);
    if (request.complete) peer.Send(FakeBackend::Ok());
    peer.ReadToEnd();
  };
}

std::uint64_t Hits(RunningProxy& proxy, Limit limit) {
  return proxy.proxy().limit_hits().Get(limit);
}

ProxySettings WithBodyLimit(std::uint64_t bytes) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.body_bytes = bytes;
  return settings;
}

void ExpectRefused(const Message& answer, unsigned status, std::string_view reason) {
  EXPECT_EQ(answer.status(), status);
  EXPECT_EQ(answer.Field("Connection"), "close");
  EXPECT_THAT(answer.body, StartsWith("{\"reason\":\"" + std::string(reason) + "\""));
}

TEST(LimitsTest, ALengthAboveTheLimitIs413AndReachesNoBackend) {
  FakeBackend backend(ReadAll());
  RunningProxy proxy(WithBodyLimit(1000));
  proxy.AddActive("s1", backend);
  ExpectRefused(proxy.Ask(PostHead("Content-Length: 1001\r\n")), 413, "request_too_large");
  EXPECT_EQ(backend.connections(), 0u);
  EXPECT_EQ(Hits(proxy, Limit::kBodyBytes), 1u);
  EXPECT_EQ(proxy.Ask(PostHead("Content-Length: 1000\r\n") + std::string(1000, 'x')).status(),
            200u);
}

TEST(LimitsTest, ChunksThatGrowAboveTheLimitAre413AndTheBackendSeesNoWholeRequest) {
  FakeBackend backend(ReadAll());
  RunningProxy proxy(WithBodyLimit(1000));
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(PostHead("Transfer-Encoding: chunked\r\n"));
  ASSERT_TRUE(proxy.WaitForActive("s1", 1));
  const std::string chunk = "190\r\n" + std::string(400, 'x') + "\r\n";
  client.Send(chunk + chunk + chunk);
  ExpectRefused(client.ReadResponse(), 413, "request_too_large");
  ASSERT_TRUE(backend.WaitForRequests(1));
  EXPECT_FALSE(backend.requests()[0].complete);
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
  EXPECT_EQ(Hits(proxy, Limit::kBodyBytes), 1u);
}

TEST(LimitsTest, HeadsThatAreTooLargeAre431) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.head_bytes = 4096;
  settings.pools[0].limits.head_fields = 20;
  FakeBackend backend(ReadAll());
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  ExpectRefused(proxy.Ask(PostHead("X: " + std::string(5000, 'x') + "\r\n")), 431,
                "headers_too_large");
  std::string many;
  for (int i = 0; i < 20; ++i) many += "a: b\r\n";
  ExpectRefused(proxy.Ask(PostHead(many)), 431, "headers_too_large");
  EXPECT_EQ(Hits(proxy, Limit::kHeadBytes), 1u);
  EXPECT_EQ(Hits(proxy, Limit::kHeadFields), 1u);
  EXPECT_EQ(backend.connections(), 0u);
}

TEST(LimitsTest, ARequestLineThatIsTooLongIs414WholeOrNot) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.request_line_bytes = 2048;
  FakeBackend backend(ReadAll());
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  const std::string around = "GET / HTTP/1.1\r\n";
  const std::string longest = "GET /" + std::string(2048 - around.size(), 'x') + " HTTP/1.1\r\n";
  EXPECT_EQ(proxy.Ask(longest + "Host: h\r\n\r\n").status(), 200u);
  ExpectRefused(proxy.Ask("GET /x" + longest.substr(5) + "Host: h\r\n\r\n"), 414, "uri_too_long");
  ExpectRefused(proxy.Ask("GET /" + std::string(2048, 'x')), 414, "uri_too_long");
  EXPECT_EQ(Hits(proxy, Limit::kRequestLine), 2u);
}

TEST(LimitsTest, AMethodThatIsTooLongIs501) {
  FakeBackend backend(ReadAll());
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const std::string rest = " / HTTP/1.1\r\nHost: h\r\n\r\n";
  EXPECT_EQ(proxy.Ask(std::string(64, 'M') + rest).status(), 200u);
  ExpectRefused(proxy.Ask(std::string(65, 'M') + rest), 501, "method_too_long");
  EXPECT_EQ(Hits(proxy, Limit::kMethod), 1u);
}

TEST(LimitsTest, ChunkExtensionsAndTrailersThatAreTooLongAre400) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.chunk_extension_bytes = 10;
  settings.pools[0].limits.trailer_bytes = 20;
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  const std::string head = PostHead("Transfer-Encoding: chunked\r\n");
  EXPECT_EQ(proxy.Ask(head + "1;12345\r\nx\r\n0;123\r\n\r\n").status(), 200u);
  ExpectRefused(proxy.Ask(head + "1;12345\r\nx\r\n0;1234\r\n\r\n"), 400, "bad_request");
  EXPECT_EQ(Hits(proxy, Limit::kChunkExtensions), 1u);
  EXPECT_EQ(proxy.Ask(head + "0\r\nETag: 123456\r\na: 56789\r\n\r\n").status(), 200u);
  ExpectRefused(proxy.Ask(head + "0\r\nETag: 123456\r\na: 567890\r\n\r\n"), 400, "bad_request");
  EXPECT_EQ(Hits(proxy, Limit::kTrailers), 1u);
}

TEST(LimitsTest, ChunkExtensionsAndTrailersOfAnAnswerAreLimitedToo) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.chunk_extension_bytes = 10;
  settings.pools[0].limits.trailer_bytes = 20;
  FakeBackend backend(FakeBackend::Serve([](const Message& request) {
    const bool trailers = request.start.contains("trailers");
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
           (trailers ? "0\r\nETag: " + std::string(20, 'x') + "\r\n\r\n"
                     : "0;" + std::string(10, 'x') + "\r\n\r\n");
  }));
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  EXPECT_EQ(proxy.Get("/extension").status(), 502u);
  EXPECT_EQ(Hits(proxy, Limit::kChunkExtensions), 1u);
  EXPECT_EQ(proxy.Get("/trailers").status(), 502u);
  EXPECT_EQ(Hits(proxy, Limit::kTrailers), 1u);
}

TEST(LimitsTest, MoreInterimAnswersThanAllowedAre502) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.interim_responses = 2;
  FakeBackend backend(FakeBackend::Serve([](const Message& request) {
    const int interim = request.start.contains("two") ? 2 : 3;
    std::string answer;
    for (int i = 0; i < interim; ++i) answer += "HTTP/1.1 103 Early Hints\r\n\r\n";
    return answer + FakeBackend::Ok();
  }));
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send("GET /two HTTP/1.1\r\nHost: h\r\n\r\n");
  for (const unsigned status : {103u, 103u, 200u}) {
    EXPECT_EQ(client.ReadResponse().status(), status);
  }
  client.Send("GET /three HTTP/1.1\r\nHost: h\r\n\r\n");
  for (const unsigned status : {103u, 103u, 502u}) {
    EXPECT_EQ(client.ReadResponse().status(), status);
  }
  EXPECT_EQ(Hits(proxy, Limit::kInterimResponses), 1u);
}

TEST(LimitsTest, TheLastRequestThatAConnectionMayServeSaysSo) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.connection_requests = 2;
  FakeBackend serving(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  RunningProxy proxy(settings);
  proxy.AddActive("s1", serving);
  Peer client = proxy.Connect();
  client.Send(std::string(kGet) + std::string(kGet) + std::string(kGet));
  EXPECT_EQ(client.ReadResponse().Field("Connection"), std::nullopt);
  EXPECT_EQ(client.ReadResponse().Field("Connection"), "close");
  EXPECT_TRUE(client.IsAtEnd());
  EXPECT_EQ(serving.request_count(), 2u);
  EXPECT_EQ(Hits(proxy, Limit::kConnectionRequests), 1u);
}

// Bug: a connection that had been parked began to count anew.
TEST(LimitsTest, RequestsOfAConnectionAreCountedAcrossItsPauses) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.connection_requests = 2;
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().Field("Connection"), std::nullopt);
  EXPECT_EQ(client.ReadMore(milliseconds(1300)), ReadEnd::kTimeout);  // parked by now
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().Field("Connection"), "close");
  EXPECT_EQ(Hits(proxy, Limit::kConnectionRequests), 1u);
}

// Bug: what an upload met while the answer was under way was told as a failure of the backend.
TEST(LimitsTest, ALimitThatAnUploadMeetsDuringItsAnswerIsCounted) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.chunk_extension_bytes = 10;
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequestHead());
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    peer.ReadToEnd();
  });
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(PostHead("Transfer-Encoding: chunked\r\n"));
  EXPECT_EQ(client.ReadResponseHead().status(), 200u);
  client.Send("1;" + std::string(20, 'a') + "\r\n");
  EXPECT_NE(client.ReadToEnd(), ReadEnd::kTimeout);
  EXPECT_EQ(Hits(proxy, Limit::kChunkExtensions), 1u);
}

// Bug: it was counted only where the backend had spoken last.
TEST(LimitsTest, ASilentTunnelIsCountedWhoeverSpokeLast) {
  ProxySettings settings = TestSettings();
  settings.pools[0].timeouts.tunnel = milliseconds(300);
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequestHead());
    peer.Send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    peer.ReadToEnd();
  });
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  for (const bool client_speaks : {false, true}) {
    const std::uint64_t before = Hits(proxy, Limit::kTunnelTime);
    Peer client = proxy.Connect();
    client.Send("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    EXPECT_EQ(client.ReadResponseHead().status(), 101u);
    if (client_speaks) {
      EXPECT_EQ(client.ReadMore(milliseconds(150)), ReadEnd::kTimeout);
      client.Send("x");
    }
    EXPECT_NE(client.ReadToEnd(), ReadEnd::kTimeout);
    EXPECT_TRUE(Eventually([&] { return Hits(proxy, Limit::kTunnelTime) == before + 1; }));
  }
}

TEST(LimitsTest, TheRefusalOfAHeadRequestHasNoBody) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.head_fields = 3;
  settings.listeners[0].request_head_timeout = milliseconds(300);
  RunningProxy proxy(settings);
  const std::string many = "Host: h\r\na: b\r\na: b\r\na: b\r\n\r\n";
  for (const std::string& request :
       {"HEAD / HTTP/1.1\r\n" + many, "\r\nHEAD / HTTP/1.1\r\n" + many,
        std::string("HEAD / HTTP/1.1\r\n\r\n"), std::string("HEAD / HTTP/2.0\r\nHost: h\r\n\r\n"),
        std::string("HEAD / HTTP/1.1\r\nHost: h\r\n"),
        std::string("HEAD / HTTP/1.1\nHost: h\r\n\r\n")}) {
    Peer client = proxy.Connect();
    client.Send(request);
    const Message answer = client.ReadResponse(/*to_head=*/true);
    EXPECT_GE(answer.status(), 400u);
    EXPECT_TRUE(client.IsAtEnd()) << request;
  }
}

TEST(LimitsTest, AHeadOfTheFullSizePasses) {
  FakeBackend backend(FakeBackend::Serve(
      [](const Message& request) { return FakeBackend::Ok(request.Field("X").value_or("")); }));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const std::string value(60'000, 'x');
  EXPECT_EQ(proxy.Ask("GET / HTTP/1.1\r\nHost: h\r\nX: " + value + "\r\n\r\n").body, value);
}

TEST(LimitsTest, AnAnswerWhoseHeadIsTooLargeIs502) {
  ProxySettings settings = TestSettings();
  settings.pools[0].limits.head_bytes = 4096;
  FakeBackend backend(FakeBackend::Serve(
      FakeBackend::Always(FakeBackend::Ok("x", "X: " + std::string(5000, 'x') + "\r\n"))));
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  EXPECT_EQ(proxy.Get().status(), 502u);
}

TEST(LimitsTest, AtTheConnectionLimitOthersWaitUntilOneHasGone) {
  ProxySettings settings = TestSettings();
  settings.max_connections = 2;
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  std::vector<Peer> in;
  for (int i = 0; i < 2; ++i) {
    in.push_back(proxy.Connect());
    in.back().Send(kGet);
    EXPECT_EQ(in.back().ReadResponse().status(), 200u);
  }
  Peer waiting = proxy.Connect();
  waiting.Send(kGet);
  EXPECT_EQ(waiting.ReadMore(milliseconds(300)), ReadEnd::kTimeout);
  EXPECT_EQ(proxy.proxy().connections(), 2u);
  EXPECT_GE(Hits(proxy, Limit::kConnections), 1u);
  in.pop_back();
  EXPECT_EQ(waiting.ReadResponse().status(), 200u);
  EXPECT_EQ(proxy.proxy().connections(), 2u);
}

TEST(LimitsTest, AHeadThatDoesNotComeInTimeIs408HoweverItDribbles) {
  ProxySettings settings = TestSettings();
  settings.listeners[0].request_head_timeout = milliseconds(300);
  RunningProxy proxy(settings);
  Peer silent = proxy.Connect();
  silent.Send("GET / HTTP/1.1\r\n");
  Peer dribbling = proxy.Connect();
  dribbling.Send("GET / HTTP/1.1\r\nX: ");
  while (dribbling.ReadMore(milliseconds(50)) == ReadEnd::kTimeout) {
    if (!dribbling.Send("x")) break;
  }
  ExpectRefused(dribbling.ReadResponse(), 408, "request_timeout");
  ExpectRefused(silent.ReadResponse(), 408, "request_timeout");
  EXPECT_EQ(Hits(proxy, Limit::kRequestHeadTime), 2u);
}

TEST(LimitsTest, ABodyThatStopsComingIs408AndTheBackendIsLetGo) {
  FakeBackend backend(ReadAll());
  ProxySettings settings = TestSettings();
  settings.pools[0].timeouts.idle = milliseconds(300);
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(PostHead("Content-Length: 10\r\n") + "half");
  ExpectRefused(client.ReadResponse(), 408, "request_timeout");
  EXPECT_EQ(Hits(proxy, Limit::kIdleTime), 1u);
  ASSERT_TRUE(backend.WaitForRequests(1));
  EXPECT_FALSE(backend.requests()[0].complete);
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

TEST(LimitsTest, AnAnswerThatStopsComingIsCutAndTheClientNotices) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    peer.ReadToEnd();
  });
  ProxySettings settings = TestSettings();
  settings.pools[0].timeouts.idle = milliseconds(300);
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  const Message answer = proxy.Get();
  EXPECT_FALSE(answer.complete);
  EXPECT_NE(answer.end, ReadEnd::kTimeout);
  EXPECT_TRUE(backend.WaitForOpen(0));
  EXPECT_EQ(Hits(proxy, Limit::kIdleTime), 1u);
}

TEST(LimitsTest, AClientThatReadsNothingIsLetGoAfterTheIdleTime) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    const std::string block(100'000, 'x');
    while (peer.Send(block)) {
    }
  });
  ProxySettings settings = TestSettings();
  settings.pools[0].timeouts.idle = milliseconds(300);
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kGet);
  EXPECT_TRUE(proxy.WaitForActive("s1", 1));
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
  EXPECT_TRUE(backend.WaitForOpen(0));
  EXPECT_EQ(Hits(proxy, Limit::kIdleTime), 1u);
}

TEST(LimitsTest, AConnectThatIsNotAnsweredIs504) {
  ProxySettings settings = TestSettings();
  settings.pools[0].timeouts.connect = milliseconds(200);
  RunningProxy proxy(settings);
  const FullListener full;
  proxy.AddActive("s1", full.url(), {});
  const Message answer = proxy.Get();
  EXPECT_EQ(answer.status(), 504u);
  EXPECT_THAT(answer.body, StartsWith("{\"reason\":\"connect_timeout\""));
  EXPECT_EQ(Hits(proxy, Limit::kConnectTime), 1u);
}

}  // namespace
}  // namespace remora::proxy
