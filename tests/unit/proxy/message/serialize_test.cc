#include "proxy/message/serialize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/messages.h"

namespace remora::proxy::message {
namespace {

using testing::AcceptRequest;
using testing::AcceptResponse;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RequestWith;
using ::testing::StartsWith;

constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string Forwarded(std::string_view text, std::string_view prefix = "",
                      std::string_view host = "") {
  const auto head = AcceptRequest(text);
  if (!head) {
    ADD_FAILURE() << head.error().detail;
    return "";
  }
  std::string out;
  AppendRequestHead(*head,
                    {.prefix = prefix,
                     .host = host,
                     .client_ip = "192.0.2.7",
                     .request_id = "id-1",
                     .via_name = "remora"},
                    out);
  return out;
}

// What stands behind the fields of the client.
std::string Added(std::string_view host, std::string_view version = "1.1") {
  return "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: " +
         std::string(host) + "\r\nVia: " + std::string(version) +
         " remora\r\nX-Request-ID: id-1\r\n\r\n";
}

std::string TargetTowards(std::string_view start, std::string_view prefix) {
  const std::string out = Forwarded(std::string(start) + "\r\nHost: h\r\n\r\n", prefix);
  return out.substr(0, out.find("\r\n"));
}

std::string Answered(std::string_view text, const ForwardedResponse& forwarded,
                     const RequestHead& request = RequestWith("GET")) {
  const auto head = AcceptResponse(request, text);
  if (!head) {
    ADD_FAILURE() << head.error().detail;
    return "";
  }
  std::string out;
  AppendResponseHead(*head, forwarded, out);
  return out;
}

TEST(SerializeRequestTest, TheClientsLinesGoOnAsTheyCame) {
  EXPECT_EQ(Forwarded("GET /a?b HTTP/1.1\r\nhOsT:   h\r\nx-a:1\r\nx-a: \t2 \r\n\r\n"),
            "GET /a?b HTTP/1.1\r\nhOsT:   h\r\nx-a:1\r\nx-a: \t2 \r\n" + Added("h"));
}

TEST(SerializeRequestTest, LinesBetweenThatStopHereAreCutOut) {
  EXPECT_EQ(Forwarded("GET / HTTP/1.1\r\nKeep-Alive: 1\r\nHost: h\r\nA: 1\r\nConnection: c\r\n"
                      "X-Forwarded-For: 10.0.0.1\r\nB: 2\r\nC: 3\r\nD: 4\r\nTE: gzip\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nD: 4\r\n" + Added("h"));
}

TEST(SerializeRequestTest, WhatIsThereAlreadyStays) {
  const auto head = AcceptRequest("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  std::string out = "before";
  AppendRequestHead(
      *head, {.prefix = "", .host = "", .client_ip = "1", .request_id = "2", .via_name = "v"}, out);
  EXPECT_THAT(out, StartsWith("beforeGET / HTTP/1.1\r\n"));
}

TEST(SerializeRequestTest, ThePrefixIsJoinedWithExactlyOneSlash) {
  EXPECT_EQ(TargetTowards("GET /x HTTP/1.1", ""), "GET /x HTTP/1.1");
  EXPECT_EQ(TargetTowards("GET /x HTTP/1.1", "/p/q"), "GET /p/q/x HTTP/1.1");
  EXPECT_EQ(TargetTowards("GET / HTTP/1.1", "/p"), "GET /p/ HTTP/1.1");
  EXPECT_EQ(TargetTowards("GET //x HTTP/1.1", "/p"), "GET /p//x HTTP/1.1");
  EXPECT_EQ(TargetTowards("GET http://h/x HTTP/1.1", "/p"), "GET /p/x HTTP/1.1");
  EXPECT_EQ(TargetTowards("GET http://h HTTP/1.1", "/p"), "GET /p/ HTTP/1.1");
  EXPECT_EQ(TargetTowards("GET http://h HTTP/1.1", ""), "GET / HTTP/1.1");
  EXPECT_EQ(TargetTowards("GET http://h?q HTTP/1.1", "/p"), "GET /p/?q HTTP/1.1");
  EXPECT_EQ(TargetTowards("OPTIONS * HTTP/1.1", "/p"), "OPTIONS * HTTP/1.1");
}

TEST(SerializeRequestTest, HostCanBeReplacedAndTheClientsIsToldInAnotherField) {
  EXPECT_EQ(Forwarded("GET / HTTP/1.1\r\nA: 1\r\nHost: h:81\r\nB: 2\r\n\r\n", "", "backend:9001"),
            "GET / HTTP/1.1\r\nHost: backend:9001\r\nA: 1\r\nB: 2\r\n" + Added("h:81"));
}

TEST(SerializeRequestTest, Http10GoesOnAsHttp11AndViaTells) {
  EXPECT_EQ(Forwarded("GET / HTTP/1.0\r\nHost: h\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: h\r\n" + Added("h", "1.0"));
}

TEST(SerializeRequestTest, WithoutHostThereIsNoForwardedHost) {
  EXPECT_EQ(Forwarded("GET / HTTP/1.0\r\n\r\n", "", "b:1"),
            "GET / HTTP/1.1\r\nHost: b:1\r\nX-Forwarded-For: 192.0.2.7\r\n"
            "X-Forwarded-Proto: http\r\nVia: 1.0 remora\r\nX-Request-ID: id-1\r\n\r\n");
}

TEST(SerializeRequestTest, ViaOfOthersStaysAndOursFollows) {
  const std::string out = Forwarded("GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 other\r\n\r\n");
  EXPECT_LT(out.find("Via: 1.1 other\r\n"), out.find("Via: 1.1 remora\r\n"));
}

TEST(SerializeRequestTest, ALengthGoesOnAndChunksAreOurOwn) {
  EXPECT_EQ(Forwarded("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"),
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n" + Added("h"));
  EXPECT_EQ(Forwarded("POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding:  Chunked\r\n"
                      "Trailer: X-Sum\r\n\r\n"),
            "POST / HTTP/1.1\r\nHost: h\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n" +
                Added("h"));
}

TEST(SerializeRequestTest, TrailerIsTakenOutWhereThereAreNoChunks) {
  EXPECT_THAT(Forwarded("POST / HTTP/1.1\r\nHost: h\r\nTrailer: x\r\nContent-Length: 1\r\n\r\n"),
              Not(HasSubstr("Trailer")));
}

TEST(SerializeRequestTest, WishesForTheNextHopAreOurOwn) {
  EXPECT_THAT(Forwarded("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers, gzip\r\n\r\n"),
              HasSubstr("\r\nConnection: TE\r\nTE: trailers\r\n"));
  const std::string upgrade = Forwarded(
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: k\r\n\r\n");
  EXPECT_THAT(upgrade, HasSubstr("\r\nSec-WebSocket-Key: k\r\n"));
  EXPECT_THAT(upgrade, HasSubstr("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"));
  EXPECT_THAT(Forwarded("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
              Not(HasSubstr("pgrade")));
}

TEST(SerializeResponseTest, TheBackendsLinesGoOnAsTheyCame) {
  EXPECT_EQ(Answered("HTTP/1.1 404 Not  here\r\nDate: D\r\nConnection: x\r\nServer: s\r\nX: 1\r\n"
                     "content-length:5\r\n\r\n",
                     {.request_id = "id-1", .date = kDate, .framing = Framing::kLength}),
            "HTTP/1.1 404 Not  here\r\nDate: D\r\nServer: s\r\ncontent-length:5\r\n"
            "X-Request-ID: id-1\r\n\r\n");
}

TEST(SerializeRequestTest, MaxForwardsIsOneLessAtTheNextHop) {
  const std::string out = Forwarded("OPTIONS / HTTP/1.1\r\nHost: h\r\nmax-forwards: 10\r\n\r\n");
  EXPECT_THAT(out, HasSubstr("\r\nMax-Forwards: 9\r\nVia: 1.1 remora\r\n"));
  EXPECT_THAT(out, Not(HasSubstr("10")));
}

TEST(SerializeResponseTest, OptionsThatMayGoNoFurtherAreAnsweredWhole) {
  std::string out;
  AppendOptionsAnswer("id-1", kDate, /*close=*/false, out);
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
            "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\nDate: " +
                std::string(kDate) + "\r\nX-Request-ID: id-1\r\n\r\n");
}

TEST(SerializeResponseTest, DateIsAddedOnlyWhereItIsMissing) {
  EXPECT_EQ(Answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                     {.request_id = "i", .date = kDate, .framing = Framing::kLength}),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: " + std::string(kDate) +
                "\r\nX-Request-ID: i\r\n\r\n");
}

TEST(SerializeResponseTest, Http10BackendsAreAnsweredForInHttp11) {
  EXPECT_THAT(Answered("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
                       {.request_id = "i", .date = kDate, .framing = Framing::kLength}),
              StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(SerializeResponseTest, ChunksTowardsTheClientAreOurOwn) {
  EXPECT_EQ(Answered("HTTP/1.1 200 OK\r\nTransfer-Encoding:  chunked\r\nDate: D\r\n\r\n",
                     {.request_id = "i", .date = kDate, .framing = Framing::kChunked}),
            "HTTP/1.1 200 OK\r\nDate: D\r\nTransfer-Encoding: chunked\r\nX-Request-ID: i\r\n\r\n");
}

TEST(SerializeResponseTest, TrailerPassesOnlyToAClientThatTakesTrailers) {
  const std::string_view text =
      "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_THAT(Answered(text, {.request_id = "i", .date = kDate, .framing = Framing::kChunked}),
              Not(HasSubstr("Trailer:")));
  EXPECT_THAT(
      Answered(text,
               {.request_id = "i", .date = kDate, .framing = Framing::kChunked, .trailers = true}),
      HasSubstr("\r\nTrailer: X-Sum\r\n"));
}

TEST(SerializeResponseTest, TheLastAnswerSaysClose) {
  EXPECT_THAT(Answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                       {.request_id = "i", .date = kDate, .close = true}),
              EndsWith("X-Request-ID: i\r\nConnection: close\r\n\r\n"));
}

TEST(SerializeResponseTest, AnswersWithoutBodyKeepTheirLengthAndGetNoChunks) {
  const RequestHead head_request = RequestWith("HEAD");
  const std::string answer =
      Answered("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
               {.request_id = "i", .date = kDate, .framing = Framing::kNone}, head_request);
  EXPECT_THAT(answer, HasSubstr("Content-Length: 1000\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
  EXPECT_THAT(Answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"e\"\r\n\r\n",
                       {.request_id = "i", .date = kDate, .framing = Framing::kNone}),
              StartsWith("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"e\"\r\nDate"));
}

TEST(SerializeResponseTest, AnUpgradeIsOurOwn) {
  EXPECT_EQ(Answered("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nDate: D\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\n",
                     {.request_id = "i", .date = kDate, .framing = Framing::kTunnel},
                     RequestWith("GET", /*wants_websocket=*/true)),
            "HTTP/1.1 101 Switching Protocols\r\nDate: D\r\nSec-WebSocket-Accept: a\r\n"
            "X-Request-ID: i\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(SerializeResponseTest, InterimAnswersGoOnAlone) {
  const auto head = AcceptResponse(RequestWith("GET"),
                                   "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n"
                                   "X: 1\r\n\r\n");
  ASSERT_TRUE(head);
  std::string out;
  AppendInterimHead(*head, out);
  EXPECT_EQ(out, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

ProxyError Error(ErrorKind kind, std::string_view detail = {}) {
  return {.kind = kind, .side = Side::kDownstream, .sent = Sent::kNothing, .detail = detail};
}

TEST(SerializeErrorTest, AnErrorIsAWholeAnswer) {
  std::string out;
  AppendErrorResponse(Error(ErrorKind::kBadRequest, "no Host"), "id-1", kDate, /*close=*/true,
                      /*head_only=*/false, out);
  const std::string body =
      "{\"reason\":\"bad_request\",\"detail\":\"no Host\",\"request_id\":\"id-1\"}\n";
  EXPECT_EQ(out, "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\nDate: " + std::string(kDate) +
                     "\r\nX-Request-ID: id-1\r\nConnection: close\r\n\r\n" + body);
}

TEST(SerializeErrorTest, TextInTheBodyIsEscaped) {
  std::string out;
  AppendErrorResponse(Error(ErrorKind::kBadRequest, "a \"quoted\" \\ thing\n"), "i", kDate, false,
                      false, out);
  EXPECT_THAT(out, HasSubstr(R"("detail":"a \"quoted\" \\ thing\u000a")"));
  EXPECT_THAT(out, Not(HasSubstr("Connection")));
}

TEST(SerializeErrorTest, AnErrorForHeadHasTheLengthButNotTheBody) {
  std::string whole;
  std::string head_only;
  const ProxyError error = Error(ErrorKind::kConnectFailed);
  AppendErrorResponse(error, "i", kDate, false, false, whole);
  AppendErrorResponse(error, "i", kDate, false, true, head_only);
  EXPECT_THAT(head_only, StartsWith("HTTP/1.1 502 Bad Gateway\r\n"));
  EXPECT_THAT(head_only, EndsWith("\r\n\r\n"));
  EXPECT_THAT(whole, StartsWith(head_only));
  EXPECT_GT(whole.size(), head_only.size());
}

TEST(SerializeErrorTest, UnavailableSaysWhenToComeBackAndNotAllowedWhatIs) {
  std::string out;
  AppendErrorResponse(Error(ErrorKind::kNoHealthyServer), "i", kDate, false, false, out);
  EXPECT_THAT(out, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(out, HasSubstr("\r\nRetry-After: 1\r\n"));
  out.clear();
  AppendErrorResponse(Error(ErrorKind::kConnectTimeout), "i", kDate, false, false, out);
  EXPECT_THAT(out, StartsWith("HTTP/1.1 504 Gateway Timeout\r\n"));
  EXPECT_THAT(out, Not(HasSubstr("Retry-After")));
  out.clear();
  AppendErrorResponse(Error(ErrorKind::kMethodNotAllowed), "i", kDate, false, false, out);
  EXPECT_THAT(out, HasSubstr("\r\nAllow: GET, "));
}

TEST(FramingTowardsTest, ChunksGoToHttp11AndClosingEndsHttp10) {
  EXPECT_EQ(FramingTowards(1, Framing::kChunked), Framing::kChunked);
  EXPECT_EQ(FramingTowards(1, Framing::kUntilClose), Framing::kChunked);
  EXPECT_EQ(FramingTowards(0, Framing::kChunked), Framing::kUntilClose);
  EXPECT_EQ(FramingTowards(0, Framing::kUntilClose), Framing::kUntilClose);
  for (const unsigned minor : {0u, 1u}) {
    EXPECT_EQ(FramingTowards(minor, Framing::kLength), Framing::kLength);
    EXPECT_EQ(FramingTowards(minor, Framing::kNone), Framing::kNone);
  }
}

}  // namespace
}  // namespace remora::proxy::message
