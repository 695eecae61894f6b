// What a request and its answer look like on the other side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/fake_backend.h"
#include "tests/support/running_proxy.h"

namespace remora::proxy {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using testing::FakeBackend;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using testing::Message;
using ::testing::Not;
using testing::Peer;
using testing::ReadEnd;
using testing::RunningProxy;
using ::testing::StartsWith;
using testing::TestSettings;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

std::string Letters(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

TEST(ForwardingTest, ARequestReachesTheBackendWithOurFieldsAndNoneThatStopHere) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const Message answer = proxy.Ask(
      "GET /a//b?c=d HTTP/1.1\r\nHost: example.test\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
      "x-forwarded-for: 203.0.113.9\r\nAccept: */*\r\nX-Request-ID: mine\r\n\r\n");
  EXPECT_EQ(answer.status(), 200u);
  ASSERT_EQ(backend.request_count(), 1u);
  EXPECT_EQ(backend.requests()[0].head,
            "GET /a//b?c=d HTTP/1.1\r\nHost: example.test\r\nAccept: */*\r\n"
            "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
            "X-Forwarded-Host: example.test\r\nVia: 1.1 remora\r\nX-Request-ID: mine\r\n\r\n");
}

// All requests of a worker share the place where the head of an answer is read to.
TEST(ForwardingTest, AHeadThatComesInPiecesIsNotMixedWithAnotherInBetween) {
  std::string many_fields;
  for (int i = 0; i < 40; ++i) many_fields += "X-Field-" + std::to_string(i) + ": quick\r\n";
  FakeBackend backend([&](Peer& peer, FakeBackend& self) {
    for (;;) {
      const Message request = peer.ReadRequest();
      if (!request.complete) return;
      if (request.start.starts_with("GET /quick")) {
        peer.Send("HTTP/1.1 202 Quick\r\n" + many_fields +
                  "Date: D\r\nContent-Length: 5\r\n\r\nquick");
        continue;
      }
      peer.Send(
          "HTTP/1.1 103 Early Hints\r\nLink: </slow>\r\n\r\nHTTP/1.1 201 Slow\r\nDate: D\r\nX-Sl");
      self.Record(request);
      self.WaitForRelease();
      peer.Send("ow: 1\r\nContent-Length: 4\r\n\r\nslow");
    }
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer slow = proxy.Connect();
  slow.Send("GET /slow HTTP/1.1\r\nHost: example.test\r\nX-Request-ID: mine\r\n\r\n");
  ASSERT_TRUE(backend.WaitForRequests(1));
  EXPECT_EQ(slow.ReadResponseHead().head, "HTTP/1.1 103 Early Hints\r\nLink: </slow>\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    const Message quick =
        proxy.Ask("GET /quick HTTP/1.1\r\nHost: example.test\r\nX-Request-ID: id\r\n\r\n");
    EXPECT_EQ(quick.head, "HTTP/1.1 202 Quick\r\n" + many_fields +
                              "Date: D\r\nContent-Length: 5\r\nX-Request-ID: id\r\n\r\n");
    EXPECT_EQ(quick.body, "quick");
  }
  backend.Release();
  const Message answer = slow.ReadResponse();
  EXPECT_EQ(answer.head,
            "HTTP/1.1 201 Slow\r\nDate: D\r\nX-Slow: 1\r\nContent-Length: 4\r\n"
            "X-Request-ID: mine\r\n\r\n");
  EXPECT_EQ(answer.body, "slow");
}

TEST(ForwardingTest, AnAnswerReachesTheClientWithoutWhatStopsHere) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok(
      "hello", "Date: D\r\nServer: s\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"))));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const Message answer =
      proxy.Ask("GET / HTTP/1.1\r\nHost: example.test\r\nX-Request-ID: mine\r\n\r\n");
  EXPECT_EQ(answer.head,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: D\r\nServer: s\r\n"
            "X-Request-ID: mine\r\n\r\n");
  EXPECT_EQ(answer.body, "hello");
}

TEST(ForwardingTest, ARequestWithoutIdGetsOneThatBothSidesSee) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const std::string first = proxy.Get().Field("X-Request-ID").value_or("");
  const std::string second = proxy.Get().Field("X-Request-ID").value_or("");
  EXPECT_THAT(first, MatchesRegex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"));
  EXPECT_NE(first, second);
  EXPECT_EQ(backend.requests()[0].Field("X-Request-ID"), first);
}

TEST(ForwardingTest, ThePrefixOfTheUrlStandsBeforeThePath) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  RunningProxy proxy;
  proxy.AddActive("s1", backend.url() + "/api/", {});
  proxy.Get("/x?y");
  EXPECT_EQ(backend.requests()[0].start, "GET /api/x?y HTTP/1.1");
}

TEST(ForwardingTest, HostIsTheBackendsIfThePoolSaysSo) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  ProxySettings settings = TestSettings();
  settings.pools[0].host_header = HostHeader::kBackend;
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  proxy.Get();
  const Message request = backend.requests()[0];
  EXPECT_EQ(request.Field("Host"), "127.0.0.1:" + std::to_string(backend.port()));
  EXPECT_EQ(request.Field("X-Forwarded-Host"), "example.test");
}

TEST(ForwardingTest, AnyMethodAndBodyOfEitherFramingPass) {
  FakeBackend backend(FakeBackend::Serve(
      [](const Message& request) { return FakeBackend::Ok(request.start + "|" + request.body); }));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  for (const std::string method : {"POST", "PUT", "PATCH", "DELETE", "PROPFIND", "GET"}) {
    const std::string start = method + " /p HTTP/1.1";
    client.Send(start + "\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_EQ(client.ReadResponse().body, start + "|abc");
    client.Send(start + "\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n" +
                "0\r\n\r\n");
    EXPECT_EQ(client.ReadResponse().body, start + "|abc");
  }
}

TEST(ForwardingTest, LargeBodiesArriveAsTheyWereSentBothWays) {
  FakeBackend backend(
      FakeBackend::Serve([](const Message& request) { return FakeBackend::Ok(request.body); }));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const std::string body = Letters(6'000'000);
  Peer client = proxy.Connect();
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n" + body));
  const Message answer = client.ReadResponse();
  EXPECT_TRUE(answer.complete);
  EXPECT_TRUE(answer.body == body) << answer.body.size();
}

TEST(ForwardingTest, AnswersWithoutBodyLeaveTheConnectionInStep) {
  FakeBackend backend(FakeBackend::Serve([](const Message& request) -> std::string {
    if (request.start.starts_with("HEAD")) return "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";
    if (request.start.starts_with("GET /204")) return "HTTP/1.1 204 No Content\r\n\r\n";
    if (request.start.starts_with("GET /304")) {
      return "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n";
    }
    return FakeBackend::Ok("last");
  }));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.ReadResponse(/*to_head=*/true).Field("Content-Length"), "99");
  client.Send("GET /204 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status(), 204u);
  client.Send("GET /304 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.ReadResponse().status(), 304u);
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().body, "last");
  EXPECT_EQ(backend.connections(), 1u);
}

TEST(ForwardingTest, PipelinedRequestsAreAnsweredInOrder) {
  FakeBackend backend(FakeBackend::Serve(
      [](const Message& request) { return FakeBackend::Ok(request.start + request.body); }));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n";
    all += i % 2 ? "Content-Length: 2\r\n\r\nxy" : "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  }
  client.Send(all);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.ReadResponse().body,
              "POST /" + std::to_string(i) + " HTTP/1.1" + (i % 2 ? "xy" : ""));
  }
}

TEST(ForwardingTest, AnHttp10ClientGetsNoChunksAndTheConnectionEndsTheBody) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const Message answer = proxy.Ask("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.Field("Transfer-Encoding"), std::nullopt);
  EXPECT_EQ(answer.Field("Connection"), "close");
  EXPECT_EQ(answer.body, "abcde");
  EXPECT_EQ(answer.end, ReadEnd::kEnd);
}

TEST(ForwardingTest, ABodyThatEndsWithTheBackendsConnectionIsChunkedForTheClient) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequest();
    peer.Send("HTTP/1.0 200 OK\r\n\r\nuntil the end");
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  for (int i = 0; i < 2; ++i) {
    client.Send(kGet);
    const Message answer = client.ReadResponse();
    EXPECT_EQ(answer.Field("Transfer-Encoding"), "chunked");
    EXPECT_TRUE(answer.complete);
    EXPECT_EQ(answer.body, "until the end");
  }
}

TEST(ForwardingTest, TrailersPassOnlyToWhoAskedAndOnlyHarmlessOnes) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Checksum: 1\r\n"
      "Set-Cookie: evil\r\n\r\n")));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  EXPECT_THAT(proxy.Get().trailers, IsEmpty());
  const Message asked = proxy.Ask(
      "POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n"
      "Transfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\nX-Checksum-Up: 2\r\nAuthorization: "
      "evil\r\n\r\n");
  EXPECT_THAT(asked.trailers, ElementsAre("X-Checksum: 1"));
  EXPECT_THAT(backend.requests()[1].trailers, ElementsAre("X-Checksum-Up: 2"));
}

TEST(ForwardingTest, WithoutServersTheAnswerIs503AndTheConnectionGoesOn) {
  RunningProxy proxy;
  Peer client = proxy.Connect();
  for (int i = 0; i < 2; ++i) {
    client.Send(kGet);
    const Message answer = client.ReadResponse();
    EXPECT_EQ(answer.status(), 503u);
    EXPECT_EQ(answer.Field("Retry-After"), "1");
    EXPECT_THAT(answer.body, StartsWith("{\"reason\":\"no_servers\""));
    EXPECT_EQ(answer.Field("Connection"), std::nullopt);
  }
}

TEST(ForwardingTest, ARefusedRequestNeverReachesABackendAndEndsTheConnection) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const struct {
    std::string_view request;
    unsigned status;
  } refused[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\nHost: h\n\n", 400},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", 405},
      {"POST / HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n", 417},
      {"\x16\x03\x01\x02\r\n\r\n", 400},
  };
  for (const auto& [request, status] : refused) {
    Peer client = proxy.Connect();
    client.Send(std::string(request) + "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    const Message answer = client.ReadResponse();
    EXPECT_EQ(answer.status(), status) << request;
    EXPECT_EQ(answer.Field("Connection"), "close") << request;
    EXPECT_THAT(answer.body, HasSubstr("\"reason\":\"")) << request;
    client.ShutdownSend();
    EXPECT_TRUE(client.IsAtEnd()) << request;
  }
  EXPECT_EQ(backend.request_count(), 0u);
}

TEST(ForwardingTest, AMalformedAnswerBecomes502AndIsNotPassedOn) {
  for (const std::string_view bad :
       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX-Secret: a\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\nX-Secret: 1\n\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "X-Secret garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"}) {
    FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(std::string(bad))));
    RunningProxy proxy;
    proxy.AddActive("s1", backend);
    const Message answer = proxy.Get();
    EXPECT_EQ(answer.status(), 502u) << bad;
    EXPECT_THAT(answer.body, StartsWith("{\"reason\":\"upstream_bad_response\"")) << bad;
    EXPECT_THAT(answer.head + answer.body, Not(HasSubstr("Secret"))) << bad;
  }
}

TEST(ForwardingTest, ABackendThatDoesNotAnswerInTimeIs504) {
  FakeBackend backend(FakeBackend::Hold(FakeBackend::Always(FakeBackend::Ok())));
  ProxySettings settings = TestSettings();
  settings.pools[0].timeouts.response_head = milliseconds(200);
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  const Message answer = proxy.Get();
  EXPECT_EQ(answer.status(), 504u);
  EXPECT_THAT(answer.body, StartsWith("{\"reason\":\"upstream_timeout\""));
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

TEST(ForwardingTest, AClientThatHalfClosesBehindItsRequestIsStillAnswered) {
  FakeBackend backend(FakeBackend::Hold(FakeBackend::Always(FakeBackend::Ok("late"))));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kGet);
  client.ShutdownSend();
  ASSERT_TRUE(backend.WaitForRequests(1));
  backend.Release();
  EXPECT_EQ(client.ReadResponse().body, "late");
}

TEST(ForwardingTest, TheErrorForHeadHasNoBody) {
  RunningProxy proxy;
  Peer client = proxy.Connect();
  client.Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.ReadResponse(/*to_head=*/true).status(), 503u);
  client.Send(kGet);
  EXPECT_THAT(client.ReadResponse().head, StartsWith("HTTP/1.1 503"));
}

}  // namespace
}  // namespace remora::proxy
