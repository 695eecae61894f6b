#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/message/rules.h"
#include "tests/support/messages.h"

namespace remora::proxy::message {
namespace {

using testing::AcceptResponse;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RequestWith;

RequestHead Get() { return RequestWith("GET"); }
RequestHead WebsocketRequest() { return RequestWith("GET", /*wants_websocket=*/true); }

bool IsInterim(unsigned status) {
  ResponseHead head;
  head.status = status;
  return head.is_interim();
}

// The rest of a 200 in HTTP/1.1; the text is kept for the whole program.
std::string_view With(std::string_view fields, std::string_view start = "HTTP/1.1 200 OK") {
  static std::vector<std::unique_ptr<std::string>> kept;
  kept.push_back(
      std::make_unique<std::string>(std::string(start) + "\r\n" + std::string(fields) + "\r\n"));
  return *kept.back();
}

std::vector<std::string> KeptNames(const ResponseHead& head) {
  std::vector<std::string> names;
  for (const Field& field : head.fields) {
    if (!field.dropped()) names.emplace_back(field.name());
  }
  return names;
}

TEST(ResponseRulesTest, WhatCannotBePassedOnIsRefused) {
  const struct {
    std::string_view why;
    std::string_view head;
  } refusals[] = {
      {"both framings", With("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
      {"different lengths", With("Content-Length: 5\r\nContent-Length: 6\r\n")},
      {"the same length twice", With("Content-Length: 5\r\nContent-Length: 5\r\n")},
      {"a list of lengths", With("Content-Length: 5, 5\r\n")},
      {"a length that is none", With("Content-Length: five\r\n")},
      {"a length with a sign", With("Content-Length: +5\r\n")},
      {"a length that is too large", With("Content-Length: 9223372036854775808\r\n")},
      {"a bad length in a 204", With("Content-Length: x\r\n", "HTTP/1.1 204 No Content")},
      {"chunked twice", With("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {"gzip", With("Transfer-Encoding: gzip\r\n")},
      {"gzip before chunked", With("Transfer-Encoding: gzip, chunked\r\n")},
      {"chunked in HTTP/1.0", With("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK")},
      {"status 099", With("", "HTTP/1.1 099 Low")},
      {"status 600", With("", "HTTP/1.1 600 High")},
      {"status 1000", With("", "HTTP/1.1 1000 Long")},
      {"no status", With("", "HTTP/1.1 OK")},
      {"101 that nobody asked for",
       With("Upgrade: websocket\r\nConnection: upgrade\r\n", "HTTP/1.1 101 Switching Protocols")},
      {"LF ends a line", "HTTP/1.1 200 OK\nA: b\r\n\r\n"},
      {"a folded line", With("a: b\r\n c\r\n")},
      {"a control byte", With("a: b\x01\r\n")},
      {"NUL", With(std::string_view("a: \0\r\n", 6))},
      {"CR inside a value", With("a: b\rSet-Cookie: c\r\n")},
      {"a blank before the colon", With("a : b\r\n")},
      {"no colon", With("abc\r\n")},
      {"HTTP/2", With("", "HTTP/2.0 200 OK")},
      {"no HTTP", With("", "SSH-2.0-x")},
  };
  for (const auto& [why, head] : refusals) {
    EXPECT_FALSE(AcceptResponse(Get(), head)) << why;
  }
}

TEST(ResponseRulesTest, WhatTheRulesRefuseIsTheBackendsFault) {
  const auto head = AcceptResponse(Get(), With("Transfer-Encoding: gzip\r\n"));
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().kind, ErrorKind::kUpstreamBadResponse);
  EXPECT_EQ(head.error().side, Side::kUpstream);
  EXPECT_EQ(head.error().sent, Sent::kAnswered);
}

TEST(ResponseRulesTest, FramingIsReadFromTheFields) {
  EXPECT_EQ(AcceptResponse(Get(), With("Content-Length: 7\r\n"))->framing, Framing::kLength);
  EXPECT_EQ(AcceptResponse(Get(), With("Content-Length: 7\r\n"))->length, 7u);
  EXPECT_EQ(AcceptResponse(Get(), With("Content-Length: 0\r\n"))->framing, Framing::kNone);
  EXPECT_EQ(AcceptResponse(Get(), With("Transfer-Encoding: CHUNKED\r\n"))->framing,
            Framing::kChunked);
}

TEST(ResponseRulesTest, WithoutFramingTheBodyGoesOnUntilTheConnectionCloses) {
  const auto head = AcceptResponse(Get(), With("Connection: keep-alive\r\n"));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->framing, Framing::kUntilClose);
  EXPECT_FALSE(head->keep_alive);
}

TEST(ResponseRulesTest, AnAnswerToHeadHasNoBodyAndKeepsItsLength) {
  const auto head = AcceptResponse(RequestWith("HEAD"), With("Content-Length: 1000\r\n"));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->framing, Framing::kNone);
  EXPECT_TRUE(head->keep_alive);
  EXPECT_THAT(KeptNames(*head), ElementsAre("Content-Length"));
  EXPECT_EQ(AcceptResponse(RequestWith("HEAD"), With(""))->framing, Framing::kNone);
}

TEST(ResponseRulesTest, NotModifiedHasNoBodyAndKeepsItsLength) {
  const auto head =
      AcceptResponse(Get(), With("Content-Length: 1000\r\n", "HTTP/1.1 304 Not Modified"));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->framing, Framing::kNone);
  EXPECT_THAT(KeptNames(*head), ElementsAre("Content-Length"));
}

TEST(ResponseRulesTest, NoContentAndInterimAnswersHaveNoFramingFields) {
  for (const std::string_view start :
       {"HTTP/1.1 204 No Content", "HTTP/1.1 100 Continue", "HTTP/1.1 103 Early Hints"}) {
    const auto length = AcceptResponse(Get(), With("Content-Length: 5\r\n", start));
    ASSERT_TRUE(length) << start;
    EXPECT_EQ(length->framing, Framing::kNone) << start;
    EXPECT_THAT(KeptNames(*length), IsEmpty()) << start;
    const auto chunked = AcceptResponse(Get(), With("Transfer-Encoding: chunked\r\n", start));
    ASSERT_TRUE(chunked) << start;
    EXPECT_EQ(chunked->framing, Framing::kNone) << start;
    EXPECT_THAT(KeptNames(*chunked), IsEmpty()) << start;
  }
}

TEST(ResponseRulesTest, OnlyInformationalAnswersButNotTheUpgradeAreInterim) {
  EXPECT_TRUE(IsInterim(100));
  EXPECT_TRUE(IsInterim(103));
  EXPECT_FALSE(IsInterim(101));
  EXPECT_FALSE(IsInterim(200));
}

TEST(ResponseRulesTest, TheConnectionIsKeptAsTheVersionSays) {
  const std::string_view length = "Content-Length: 1\r\n";
  const std::string close = std::string(length) + "Connection: Close\r\n";
  const std::string keep = std::string(length) + "Connection: Keep-Alive\r\n";
  EXPECT_TRUE(AcceptResponse(Get(), With(length))->keep_alive);
  EXPECT_FALSE(AcceptResponse(Get(), With(close))->keep_alive);
  EXPECT_FALSE(AcceptResponse(Get(), With(length, "HTTP/1.0 200 OK"))->keep_alive);
  EXPECT_TRUE(AcceptResponse(Get(), With(keep, "HTTP/1.0 200 OK"))->keep_alive);
}

TEST(ResponseRulesTest, HopByHopFieldsAndTheRequestIdStopHere) {
  const auto head = AcceptResponse(
      Get(), With("Server: s\r\nConnection: x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
                  "Upgrade: h2c\r\nX-Request-ID: theirs\r\nContent-Length: 1\r\nSet-Cookie: a\r\n"
                  "Set-Cookie: b\r\n"));
  ASSERT_TRUE(head);
  EXPECT_THAT(KeptNames(*head),
              ElementsAre("Server", "Content-Length", "Set-Cookie", "Set-Cookie"));
}

TEST(ResponseRulesTest, ADateIsNoted) {
  EXPECT_TRUE(AcceptResponse(Get(), With("date: now\r\n"))->has_date);
  EXPECT_FALSE(AcceptResponse(Get(), With("x-date: now\r\n"))->has_date);
}

TEST(ResponseRulesTest, AnUpgradeThatWasAskedForBecomesATunnel) {
  const std::string_view start = "HTTP/1.1 101 Switching Protocols";
  const auto head =
      AcceptResponse(WebsocketRequest(), With("Upgrade: WebSocket\r\nConnection: Upgrade\r\n"
                                              "Sec-WebSocket-Accept: x\r\n",
                                              start));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->framing, Framing::kTunnel);
  EXPECT_THAT(KeptNames(*head), ElementsAre("Sec-WebSocket-Accept"));
}

TEST(ResponseRulesTest, AnUpgradeToAnotherProtocolIsRefused) {
  const std::string_view start = "HTTP/1.1 101 Switching Protocols";
  EXPECT_FALSE(
      AcceptResponse(WebsocketRequest(), With("Upgrade: h2c\r\nConnection: Upgrade\r\n", start)));
}

// Bug: it became a tunnel, although RFC 9110 section 7.8 requires Upgrade in a 101.
TEST(ResponseRulesTest, AnUpgradeThatDoesNotSayToWhatIsRefused) {
  const std::string_view start = "HTTP/1.1 101 Switching Protocols";
  EXPECT_FALSE(AcceptResponse(WebsocketRequest(), With("Connection: Upgrade\r\n", start)));
}

TEST(ResponseRulesTest, TrailersThatFrameRouteOrAuthenticateMayNotPass) {
  for (const std::string_view name : {"Content-Length",
                                      "transfer-encoding",
                                      "Host",
                                      "Connection",
                                      "TE",
                                      "Trailer",
                                      "Upgrade",
                                      "Expect",
                                      "Authorization",
                                      "Cookie",
                                      "Set-Cookie",
                                      "X-Forwarded-For",
                                      "Forwarded",
                                      "X-Request-ID",
                                      "Content-Type",
                                      "Content-Encoding",
                                      "Content-Range",
                                      "Cache-Control",
                                      "WWW-Authenticate",
                                      "Proxy-Authorization",
                                      "Location",
                                      "Via",
                                      "X-Real-IP",
                                      "Date"}) {
    const std::string line = std::string(name) + ": 1";
    const auto field = ParseFieldLine(line);
    ASSERT_TRUE(field) << name;
    EXPECT_FALSE(TrailerMayPass(*field)) << name;
  }
  for (const std::string_view line :
       {"grpc-status: 0", "Server-Timing: a", "X-Checksum: 1", "Digest: x", "ETag: \"x\""}) {
    EXPECT_TRUE(TrailerMayPass(*ParseFieldLine(line))) << line;
  }
}

}  // namespace
}  // namespace remora::proxy::message
