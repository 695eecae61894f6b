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

using testing::AcceptRequest;
using ::testing::ElementsAre;
using testing::ParseRequest;

constexpr auto kBad = ErrorKind::kBadRequest;

struct Refusal {
  std::string_view why;
  std::string_view head;
  ErrorKind kind = kBad;
};

void ExpectRefused(const std::vector<Refusal>& refusals) {
  for (const auto& [why, head, kind] : refusals) {
    const auto accepted = AcceptRequest(head);
    ASSERT_FALSE(accepted) << why;
    EXPECT_EQ(accepted.error().kind, kind) << why << ": " << accepted.error().detail;
    EXPECT_EQ(accepted.error().side, Side::kDownstream) << why;
    EXPECT_FALSE(accepted.error().detail.empty()) << why;
  }
}

// A request with `fields` behind a Host; the text is kept for the whole program.
std::string_view With(std::string_view fields, std::string_view start = "POST / HTTP/1.1") {
  static std::vector<std::unique_ptr<std::string>> kept;
  kept.push_back(std::make_unique<std::string>(std::string(start) + "\r\nHost: h\r\n" +
                                               std::string(fields) + "\r\n"));
  return *kept.back();
}

std::string_view WithHost(std::string_view host) {
  static std::vector<std::unique_ptr<std::string>> kept;
  kept.push_back(
      std::make_unique<std::string>("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"));
  return *kept.back();
}

std::vector<std::string> KeptNames(const RequestHead& head) {
  std::vector<std::string> names;
  for (const Field& field : head.fields) {
    if (!field.dropped()) names.emplace_back(field.name());
  }
  return names;
}

TEST(RequestRulesTest, AmbiguousFramingIsRefused) {
  ExpectRefused({
      {"both", With("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
      {"both, the other order", With("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")},
      {"both, length 0", With("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n")},
      {"different lengths", With("Content-Length: 5\r\nContent-Length: 6\r\n")},
      {"the same length twice", With("Content-Length: 5\r\nContent-Length: 5\r\n")},
      {"a list of lengths", With("Content-Length: 5, 5\r\n")},
      {"chunked twice", With("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {"chunked in HTTP/1.0", With("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0")},
  });
}

TEST(RequestRulesTest, ALengthMustBeANumber) {
  ExpectRefused({
      {"a plus", With("Content-Length: +5\r\n")},
      {"negative", With("Content-Length: -5\r\n")},
      {"hexadecimal", With("Content-Length: 0x5\r\n")},
      {"empty", With("Content-Length:\r\n")},
      {"a blank inside", With("Content-Length: 5 5\r\n")},
      {"a letter behind", With("Content-Length: 5a\r\n")},
      {"a fraction", With("Content-Length: 5.0\r\n")},
      {"more than 2^64", With("Content-Length: 99999999999999999999\r\n")},
      {"2^63", With("Content-Length: 9223372036854775808\r\n")},
      {"2^64", With("Content-Length: 18446744073709551616\r\n")},
  });
}

TEST(RequestRulesTest, UnknownTransferCodingsBeforeChunkedAre501) {
  const auto kUnknown = ErrorKind::kUnknownTransferCoding;
  ExpectRefused({
      {"gzip", With("Transfer-Encoding: gzip, chunked\r\n"), kUnknown},
      {"two", With("Transfer-Encoding: gzip ,\tbr , CHUNKED\r\n"), kUnknown},
      {"identity", With("Transfer-Encoding: identity,chunked\r\n"), kUnknown},
  });
}

TEST(RequestRulesTest, TransferCodingsThatDoNotEndInOneChunkedAre400) {
  ExpectRefused({
      {"gzip", With("Transfer-Encoding: gzip\r\n")},
      {"behind chunked", With("Transfer-Encoding: chunked, gzip\r\n")},
      {"twice", With("Transfer-Encoding: chunked, chunked\r\n")},
      {"twice around another", With("Transfer-Encoding: chunked, gzip, chunked\r\n")},
      {"identity", With("Transfer-Encoding: identity\r\n")},
      {"nearly chunked", With("Transfer-Encoding: xchunked\r\n")},
      {"quoted", With("Transfer-Encoding: \"chunked\"\r\n")},
      {"a parameter", With("Transfer-Encoding: chunked;a=b\r\n")},
      {"empty", With("Transfer-Encoding:\r\n")},
      {"an empty member", With("Transfer-Encoding: , chunked\r\n")},
      {"an empty last member", With("Transfer-Encoding: chunked,\r\n")},
      {"an empty last member behind another", With("Transfer-Encoding: gzip,\r\n")},
      {"a vertical tab", With("Transfer-Encoding: \x0b"
                              "chunked\r\n")},
  });
}

TEST(RequestRulesTest, MaxForwardsOfOptionsIsTakenAndOthersPass) {
  const auto options = AcceptRequest(With("Max-Forwards: 0\r\n", "OPTIONS / HTTP/1.1"));
  ASSERT_TRUE(options);
  EXPECT_EQ(options->max_forwards, 0u);
  EXPECT_THAT(KeptNames(*options), ElementsAre("Host"));
  const auto get = AcceptRequest(With("Max-Forwards: x\r\n"));
  ASSERT_TRUE(get);
  EXPECT_EQ(get->max_forwards, std::nullopt);
  EXPECT_THAT(KeptNames(*get), ElementsAre("Host", "Max-Forwards"));
  ExpectRefused({
      {"empty", With("Max-Forwards:\r\n", "OPTIONS / HTTP/1.1")},
      {"a sign", With("Max-Forwards: -1\r\n", "OPTIONS / HTTP/1.1")},
      {"twice", With("Max-Forwards: 1\r\nMax-Forwards: 1\r\n", "OPTIONS / HTTP/1.1")},
  });
}

TEST(RequestRulesTest, ARequestThatHasBeenHereBeforeIsRefused) {
  const RequestPolicy policy{.via_name = "remora-1f"};
  auto again = ParseRequest(With("Via: 1.0 front\r\nVia: 1.1 a, 1.1 remora-1f, 1.1 b\r\n"));
  ASSERT_TRUE(again);
  const auto refused = ApplyRequestRules(*again, policy);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kLoopDetected);
  auto other = ParseRequest(With("Via: 1.1 remora-2e\r\n"));
  ASSERT_TRUE(other);
  EXPECT_TRUE(ApplyRequestRules(*other, policy));
}

TEST(RequestRulesTest, UnderscoresInNamesPassUnlessTheyAreRejected) {
  const std::string_view text = With("X_Real_IP: 192.0.2.1\r\n");
  EXPECT_TRUE(AcceptRequest(text));
  auto head = ParseRequest(text);
  ASSERT_TRUE(head);
  EXPECT_FALSE(ApplyRequestRules(*head, {.underscores = Underscores::kReject}));
  auto plain = ParseRequest(With("X-Real-IP: a_b\r\n"));
  ASSERT_TRUE(plain);
  EXPECT_TRUE(ApplyRequestRules(*plain, {.underscores = Underscores::kReject}));
}

TEST(RequestRulesTest, HostMustBeThereOnceAndValid) {
  ExpectRefused({
      {"missing", "GET / HTTP/1.1\r\n\r\n"},
      {"twice", With("Host: h\r\n")},
      {"twice, different", With("Host: other\r\n")},
      {"twice in HTTP/1.0", With("Host: h\r\n", "GET / HTTP/1.0")},
      {"empty", WithHost("")},
      {"a blank", WithHost("a b")},
      {"a slash", WithHost("a/b")},
      {"user information", WithHost("user@h")},
      {"a list", WithHost("a,b")},
      {"a port that is no number", WithHost("h:http")},
      {"a port that is too long", WithHost("h:123456")},
      {"no name", WithHost(":80")},
      {"two ports", WithHost("h:80:81")},
      {"an address without its end", WithHost("[::1")},
      {"an address that is none", WithHost("[zz]")},
      {"an address of nine groups", WithHost("[1:2:3:4:5:6:7:8:9]")},
      {"an address with two gaps", WithHost("[1::2::3]")},
      {"an IPv4 address in brackets", WithHost("[192.0.2.1]")},
      {"an address with a zone", WithHost("[fe80::1%25lo]")},
      {"no address", WithHost("[]")},
      {"a port above 65535", WithHost("h:65536")},
      {"an address and letters", WithHost("[::1]x")},
      {"a question mark", WithHost("h?q")},
      {"a backslash", WithHost("h\\x")},
      {"a byte above ASCII", WithHost("h\xc3\xa4")},
      {"a scheme", WithHost("http://h")},
  });
  for (const std::string_view host : {"h", "h:", "h:80", "a.b-c_d~e", "192.0.2.1:8080", "[::1]",
                                      "[2001:db8::1]:443", "[::ffff:192.0.2.1]", "h:65535"}) {
    const auto head = AcceptRequest(WithHost(host));
    ASSERT_TRUE(head) << host;
    EXPECT_EQ(head->authority, host);
  }
}

TEST(RequestRulesTest, WhatIsNotStrictlyHttpIsRefused) {
  ExpectRefused({
      {"LF ends the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n"},
      {"LF ends a field", "GET / HTTP/1.1\r\nHost: h\n\r\n"},
      {"LF ends the head", "GET / HTTP/1.1\r\nHost: h\r\n\n"},
      {"CR inside a value", With("a: b\rc\r\n")},
      {"CR CR LF", With("a: b\r\r\n")},
      {"a folded line", With("a: b\r\n c\r\n")},
      {"a folded line, tab", With("a: b\r\n\tc\r\n")},
      {"a blank before the first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n"},
      {"NUL in a value", With(std::string_view("a: b\0c\r\n", 8))},
      {"a control byte in a value", With("a: b\x01\r\n")},
      {"escape in a value", With("a: \x1b[31m\r\n")},
      {"DEL in a value", With("a: b\x7f\r\n")},
      {"a blank before the colon", With("Content-Length : 5\r\n")},
      {"a tab before the colon", With("Content-Length\t: 5\r\n")},
      {"no colon", With("abc\r\n")},
      {"no name", With(": abc\r\n")},
      {"a name that is no token", With("a(b): c\r\n")},
      {"a name above ASCII", With("a\xc3\xa4: c\r\n")},
      {"a method that is no token", With("", "GE(T / HTTP/1.1")},
      {"no method", With("", " / HTTP/1.1")},
      {"no target", With("", "GET HTTP/1.1")},
      {"two blanks", With("", "GET  / HTTP/1.1")},
      {"a tab between", With("", "GET\t/ HTTP/1.1")},
      {"HTTP/0.9", "GET /\r\n\r\n"},
  });
}

TEST(RequestRulesTest, OtherVersionsAre505OrNoHttpAtAll) {
  const auto kVersion = ErrorKind::kVersionNotSupported;
  ExpectRefused({
      {"2.0", With("", "GET / HTTP/2.0"), kVersion},
      {"1.2", With("", "GET / HTTP/1.2"), kVersion},
      {"0.9", With("", "GET / HTTP/0.9")},
      {"garbage", With("", "GET / HTTP/9.9"), kVersion},
      {"a blank too many", With("", "GET /  HTTP/1.1")},
      {"a target with a blank", With("", "GET /a b HTTP/1.1")},
      {"two versions", With("", "GET / HTTP/1.1 HTTP/1.1")},
      {"a blank at the end", With("", "GET / HTTP/1.1 ")},
      {"none", With("", "GET /")},
      {"lower case", With("", "GET / http/1.1")},
      {"two digits", With("", "GET / HTTP/1.10")},
  });
  for (const std::string_view start : {"GET / http/1.1", "GET / HTTP/1", "GET / HTTP/1.10",
                                       "GET / HTTP/01.1", "GET / HTTQ/1.1", "GET / HTTP/ 1.1"}) {
    EXPECT_FALSE(AcceptRequest(With("", start))) << start;
  }
}

TEST(RequestRulesTest, BadTargetsAreRefused) {
  ExpectRefused({
      {"a fragment", With("", "GET /a#b HTTP/1.1")},
      {"a byte above ASCII", With("", "GET /\xc3\xa4 HTTP/1.1")},
      {"no slash", With("", "GET a HTTP/1.1")},
      {"* for GET", With("", "GET * HTTP/1.1")},
      {"https", With("", "GET https://h/ HTTP/1.1")},
      {"another scheme", With("", "GET ftp://h/ HTTP/1.1")},
      {"no authority", With("", "GET http:///a HTTP/1.1")},
      {"nothing behind the scheme", With("", "GET http:// HTTP/1.1")},
      {"user information", With("", "GET http://u@h/ HTTP/1.1")},
      {"an authority for GET", With("", "GET h:80 HTTP/1.1")},
      {"the target and Host differ", With("", "GET http://other/ HTTP/1.1")},
      {"the target's and Host's port differ", With("", "GET http://h:81/ HTTP/1.1")},
      {"a control byte", With("", "GET /\x01 HTTP/1.1")},
      {"DEL", With("", "GET /\x7f HTTP/1.1")},
  });
}

TEST(RequestRulesTest, ConnectAndTraceAreNotServed) {
  const auto kNot = ErrorKind::kMethodNotAllowed;
  ExpectRefused({
      {"TRACE", With("", "TRACE / HTTP/1.1"), kNot},
      {"CONNECT", With("", "CONNECT h:443 HTTP/1.1"), kNot},
  });
}

TEST(RequestRulesTest, AnyOtherMethodAndPathPassesUnchanged) {
  for (const std::string_view start :
       {"GET /a/../b//c%2Fd?e=f&g HTTP/1.1", "PROPFIND /x HTTP/1.1", "M-SEARCH /x HTTP/1.1",
        "get /lower HTTP/1.1", "GET /\"<>\\^`{|} HTTP/1.1", "DELETE /?x HTTP/1.1"}) {
    const auto head = AcceptRequest(With("", start));
    ASSERT_TRUE(head) << start << ": " << head.error().detail;
    EXPECT_EQ(head->path, head->target);
    EXPECT_EQ(std::string(head->method) + ' ' + std::string(head->path) + " HTTP/1.1", start);
  }
}

TEST(RequestRulesTest, OptionsMayAskForTheServerAsAWhole) {
  const auto head = AcceptRequest(With("", "OPTIONS * HTTP/1.1"));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->path, "*");
}

TEST(RequestRulesTest, TheAbsoluteFormIsTakenApart) {
  const struct {
    std::string_view start;
    std::string_view path;
  } cases[] = {{"GET http://h/a?b HTTP/1.1", "/a?b"},
               {"GET HTTP://H/a HTTP/1.1", "/a"},
               {"GET http://h HTTP/1.1", ""},
               {"GET http://h?q HTTP/1.1", "?q"}};
  for (const auto& [start, path] : cases) {
    const auto head = AcceptRequest(With("", start));
    ASSERT_TRUE(head) << start;
    EXPECT_EQ(head->path, path) << start;
    EXPECT_EQ(head->authority, "h") << start;
  }
}

TEST(RequestRulesTest, TheAbsoluteFormStandsForHostInHttp10) {
  const auto head = AcceptRequest("GET http://example.test:81/ HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->authority, "example.test:81");
}

TEST(RequestRulesTest, Http10NeedsNoHostAndIsNotKeptAlive) {
  const auto head = AcceptRequest("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->authority, "");
  EXPECT_FALSE(head->keep_alive);
}

TEST(RequestRulesTest, Http11IsKeptAliveUnlessItSaysClose) {
  EXPECT_TRUE(AcceptRequest(With(""))->keep_alive);
  EXPECT_TRUE(AcceptRequest(With("Connection: keep-alive\r\n"))->keep_alive);
  EXPECT_FALSE(AcceptRequest(With("Connection: close\r\n"))->keep_alive);
  EXPECT_FALSE(AcceptRequest(With("Connection: x, CLOSE\r\n"))->keep_alive);
  EXPECT_FALSE(AcceptRequest(With("Connection: keep-alive\r\nConnection: close\r\n"))->keep_alive);
}

TEST(RequestRulesTest, FramingIsReadFromTheFields) {
  EXPECT_EQ(AcceptRequest(With(""))->framing, Framing::kNone);
  EXPECT_EQ(AcceptRequest(With("Content-Length: 0\r\n"))->framing, Framing::kNone);
  EXPECT_EQ(AcceptRequest(With("Transfer-Encoding: Chunked\r\n"))->framing, Framing::kChunked);
  const auto head = AcceptRequest(With("Content-Length: 9223372036854775807\r\n"));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->framing, Framing::kLength);
  EXPECT_EQ(head->length, 9223372036854775807u);
}

TEST(RequestRulesTest, HopByHopFieldsStopHere) {
  const auto head = AcceptRequest(
      With("Connection: X-Private, keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n"
           "TE: gzip\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\nx-private: 1\r\n"
           "X-Public: 2\r\n"));
  ASSERT_TRUE(head);
  EXPECT_THAT(KeptNames(*head), ElementsAre("Host", "X-Public"));
}

TEST(RequestRulesTest, FieldsThatConnectionNamesStopHereWhereverTheyStand) {
  const auto head =
      AcceptRequest(With("A: 1\r\nB: 2\r\nConnection: a\r\nC: 3\r\nConnection: c, close\r\n"));
  ASSERT_TRUE(head);
  EXPECT_THAT(KeptNames(*head), ElementsAre("Host", "B"));
}

TEST(RequestRulesTest, ConnectionCannotTakeFramingOrHostAway) {
  const auto head =
      AcceptRequest(With("Content-Length: 5\r\nConnection: Host, Content-Length\r\n"));
  ASSERT_TRUE(head);
  EXPECT_THAT(KeptNames(*head), ElementsAre("Host", "Content-Length"));
  EXPECT_EQ(head->framing, Framing::kLength);
  const auto chunked =
      AcceptRequest(With("Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding\r\n"));
  ASSERT_TRUE(chunked);
  EXPECT_EQ(chunked->framing, Framing::kChunked);
}

TEST(RequestRulesTest, ForwardingFieldsOfOthersStopHere) {
  const auto head = AcceptRequest(
      With("X-Forwarded-For: 192.0.2.9\r\nx-forwarded-proto: https\r\nX-FORWARDED-HOST: evil\r\n"
           "Forwarded: for=192.0.2.9\r\nVia: 1.1 other\r\n"));
  ASSERT_TRUE(head);
  EXPECT_THAT(KeptNames(*head), ElementsAre("Host", "Via"));
}

TEST(RequestRulesTest, ExpectOtherThanContinueIs417) {
  ExpectRefused({
      {"unknown", With("Expect: 200-ok\r\n"), ErrorKind::kExpectationFailed},
      {"a list", With("Expect: 100-continue, x\r\n"), ErrorKind::kExpectationFailed},
      {"empty", With("Expect:\r\n"), ErrorKind::kExpectationFailed},
  });
  const auto head = AcceptRequest(With("Expect: 100-Continue\r\nContent-Length: 5\r\n"));
  ASSERT_TRUE(head);
  EXPECT_TRUE(head->expects_continue);
  EXPECT_THAT(KeptNames(*head), ElementsAre("Host", "Expect", "Content-Length"));
}

TEST(RequestRulesTest, ExpectIsIgnoredInHttp10) {
  const auto head = AcceptRequest(With("Expect: 100-continue\r\n", "POST / HTTP/1.0"));
  ASSERT_TRUE(head);
  EXPECT_FALSE(head->expects_continue);
  EXPECT_THAT(KeptNames(*head), ElementsAre("Host"));
}

TEST(RequestRulesTest, AWellFormedRequestIdIsKept) {
  const auto head = AcceptRequest(With("X-Request-ID: a.B_c-9\r\n"));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->request_id, "a.B_c-9");
  EXPECT_THAT(KeptNames(*head), ElementsAre("Host"));  // written anew
}

TEST(RequestRulesTest, ARequestIdThatIsNotWellFormedIsReplaced) {
  const std::string too_long = "X-Request-ID: " + std::string(129, 'a') + "\r\n";
  for (const std::string_view fields :
       {std::string_view(too_long), std::string_view("X-Request-ID:\r\n"),
        std::string_view("X-Request-ID: a b\r\n"), std::string_view("X-Request-ID: a\"b\r\n"),
        std::string_view("X-Request-ID: \xc3\xa4\r\n")}) {
    const auto head = AcceptRequest(With(fields));
    ASSERT_TRUE(head) << fields;
    EXPECT_EQ(head->request_id, "") << fields;
    EXPECT_THAT(KeptNames(*head), ElementsAre("Host")) << fields;
  }
  EXPECT_TRUE(ValidRequestId(std::string(128, 'a')));
}

TEST(RequestRulesTest, ABadByteIsFoundWhereverItIsInARequestId) {
  for (const std::size_t size :
       {1uz, 2uz, 15uz, 16uz, 17uz, 31uz, 33uz, 36uz, 48uz, 127uz, 128uz}) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string id(size, 'a');
      for (const char good : {'z', 'A', 'Z', '0', '9', '.', '_', '-'}) {
        id[at] = good;
        EXPECT_TRUE(ValidRequestId(id)) << id;
      }
      for (const char bad : {' ', '/', ':', '@', '[', '`', '{', ',', '\x7f', '\xe1', '\0'}) {
        id[at] = bad;
        EXPECT_FALSE(ValidRequestId(id)) << id;
      }
    }
  }
}

TEST(RequestRulesTest, ARequestIdThatConnectionNamesIsNotKept) {
  const auto head = AcceptRequest(With("X-Request-ID: abc\r\nConnection: x-request-id\r\n"));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->request_id, "");
}

TEST(RequestRulesTest, TeTrailersIsNoted) {
  EXPECT_TRUE(AcceptRequest(With("TE: gzip, Trailers\r\nConnection: TE\r\n"))->wants_trailers);
  EXPECT_FALSE(AcceptRequest(With("TE: gzip\r\n"))->wants_trailers);
  EXPECT_FALSE(AcceptRequest(With(""))->wants_trailers);
}

TEST(RequestRulesTest, OnlyAGetWithoutBodyMayAskForWebsocket) {
  const std::string_view ask = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
  const std::string with_body = std::string(ask) + "Content-Length: 5\r\n";
  EXPECT_TRUE(AcceptRequest(With(ask, "GET / HTTP/1.1"))->wants_websocket);
  EXPECT_FALSE(AcceptRequest(With(ask, "POST / HTTP/1.1"))->wants_websocket);
  EXPECT_FALSE(AcceptRequest(With(ask, "GET / HTTP/1.0"))->wants_websocket);
  EXPECT_FALSE(AcceptRequest(With(with_body, "GET / HTTP/1.1"))->wants_websocket);
  for (const std::string_view fields : {"Upgrade: websocket\r\n", "Connection: upgrade\r\n",
                                        "Connection: upgrade\r\nUpgrade: h2c\r\n",
                                        "Connection: upgrade\r\nUpgrade: websocket/2\r\n",
                                        "Connection: upgrade\r\nUpgrade: h2c, websocket\r\n"}) {
    const auto head = AcceptRequest(With(fields, "GET / HTTP/1.1"));
    ASSERT_TRUE(head) << fields;
    EXPECT_FALSE(head->wants_websocket) << fields;
    EXPECT_THAT(KeptNames(*head), ElementsAre("Host")) << fields;
  }
}

TEST(RequestRulesTest, MethodsAreIdempotentAsTheRfcSays) {
  for (const std::string_view method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}) {
    EXPECT_TRUE(testing::RequestWith(method).is_idempotent()) << method;
  }
  for (const std::string_view method : {"POST", "PATCH", "get", "QUERY", ""}) {
    EXPECT_FALSE(testing::RequestWith(method).is_idempotent()) << method;
  }
}

}  // namespace
}  // namespace remora::proxy::message
