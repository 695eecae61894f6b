// The oracle itself: what it takes, what it refuses and why, where it waits for more.
#include "tests/support/strict_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace remora::strict {
namespace {

using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Get(std::string_view fields) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

std::string Post(std::string_view fields, std::string_view body) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

std::string Chunked(std::string_view body) { return Post("Transfer-Encoding: chunked\r\n", body); }

std::string Ok(std::string_view fields, std::string_view body) {
  return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

// `problem`: part of what it must say, so that a case is refused for its own reason.
struct Bad {
  std::string bytes;
  std::string problem;
};

void ExpectMalformedRequests(const std::vector<Bad>& cases) {
  for (const Bad& bad : cases) {
    SCOPED_TRACE(::testing::PrintToString(bad.bytes));
    const Parsed parsed = ParseRequest(bad.bytes);
    EXPECT_EQ(parsed.outcome, Outcome::kMalformed);
    EXPECT_THAT(parsed.problem, HasSubstr(bad.problem));
  }
}

void ExpectMalformedResponses(const std::vector<Bad>& cases) {
  for (const Bad& bad : cases) {
    SCOPED_TRACE(::testing::PrintToString(bad.bytes));
    const Parsed parsed = ParseResponse(bad.bytes, "GET", false);
    EXPECT_EQ(parsed.outcome, Outcome::kMalformed);
    EXPECT_THAT(parsed.problem, HasSubstr(bad.problem));
  }
}

void ExpectWholeRequests(const std::vector<std::string>& cases) {
  for (const std::string& bytes : cases) {
    SCOPED_TRACE(::testing::PrintToString(bytes));
    const Parsed parsed = ParseRequest(bytes);
    EXPECT_EQ(parsed.outcome, Outcome::kComplete) << parsed.problem;
    EXPECT_EQ(parsed.size, bytes.size());
  }
}

TEST(StrictHttpTest, ARequestIsTakenApart) {
  const std::string bytes =
      "PUT /a%20b?c=%23 HTTP/1.1\r\nHost: example.test:8080\r\nX-Y:  a\tb \xe9 \r\nEmpty:\r\n"
      "content-length: 005\r\n\r\nhello";
  const Parsed parsed = ParseRequest(bytes + "GET");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete) << parsed.problem;
  EXPECT_EQ(parsed.size, bytes.size());
  EXPECT_TRUE(parsed.head_complete);
  const Message& message = parsed.message;
  EXPECT_EQ(message.start, "PUT /a%20b?c=%23 HTTP/1.1");
  EXPECT_EQ(message.method, "PUT");
  EXPECT_EQ(message.target, "/a%20b?c=%23");
  EXPECT_EQ(message.minor_version, 1u);
  EXPECT_THAT(message.fields,
              ElementsAre(Field{"Host", "example.test:8080"}, Field{"X-Y", "a\tb \xe9"},
                          Field{"Empty", ""}, Field{"content-length", "005"}));
  EXPECT_EQ(message.framing, Framing::kLength);
  EXPECT_EQ(message.body, "hello");
  EXPECT_THAT(message.trailers, ElementsAre());
}

TEST(StrictHttpTest, AChunkedRequestIsTakenApart) {
  const std::string bytes = Chunked(
      "5;a;b=c ; d = \"x\\\"\\y\xe9\t\"\r\nhello\r\n00A\r\n0123456789\r\n000;e\r\n"
      "Etag: x\r\nX-Trailer-A:\r\n\r\n");
  const Parsed parsed = ParseRequest(bytes + "GET");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete) << parsed.problem;
  EXPECT_EQ(parsed.size, bytes.size());
  EXPECT_EQ(parsed.message.framing, Framing::kChunked);
  EXPECT_EQ(parsed.message.body, "hello0123456789");
  EXPECT_THAT(parsed.message.trailers, ElementsAre(Field{"Etag", "x"}, Field{"X-Trailer-A", ""}));
}

TEST(StrictHttpTest, AResponseIsTakenApart) {
  const std::string bytes = "HTTP/1.0 404 Not \xc3\xa9 here\r\nContent-Length: 2\r\n\r\nno";
  const Parsed parsed = ParseResponse(bytes + "x", "GET", true);
  ASSERT_EQ(parsed.outcome, Outcome::kComplete) << parsed.problem;
  EXPECT_EQ(parsed.size, bytes.size());
  EXPECT_EQ(parsed.message.start, "HTTP/1.0 404 Not \xc3\xa9 here");
  EXPECT_EQ(parsed.message.status, 404u);
  EXPECT_EQ(parsed.message.reason, "Not \xc3\xa9 here");
  EXPECT_EQ(parsed.message.minor_version, 0u);
  EXPECT_EQ(parsed.message.framing, Framing::kLength);
  EXPECT_EQ(parsed.message.body, "no");
}

TEST(StrictHttpTest, EveryPrefixOfAValidMessageIsIncomplete) {
  const std::string requests[] = {
      Get("A: b\r\n"),
      Post("Content-Length: 3\r\n", "abc"),
      Chunked("3;a=\"b\"\r\nabc\r\n0\r\nEtag: x\r\n\r\n"),
      "OPTIONS * HTTP/1.0\r\n\r\n",
      "GET http://[::1]:80/?q HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
  };
  for (const std::string& bytes : requests) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const Parsed parsed = ParseRequest(std::string_view(bytes).substr(0, size));
      EXPECT_EQ(parsed.outcome, Outcome::kIncomplete)
          << ::testing::PrintToString(bytes.substr(0, size)) << parsed.problem;
      EXPECT_EQ(parsed.head_complete, size >= bytes.find("\r\n\r\n") + 4);
    }
    EXPECT_EQ(ParseRequest(bytes).outcome, Outcome::kComplete);
  }
  const std::string response = Ok("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n");
  for (std::size_t size = 0; size < response.size(); ++size) {
    for (const bool ended : {false, true}) {
      EXPECT_EQ(ParseResponse(response.substr(0, size), "GET", ended).outcome,
                Outcome::kIncomplete);
    }
  }
  EXPECT_EQ(ParseResponse(response, "GET", false).outcome, Outcome::kComplete);
}

TEST(StrictHttpTest, LinesEndWithCrlfOnly) {
  ExpectMalformedRequests({
      {"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "method"},
      {"GET / HTTP/1.1\nHost: h\r\n\r\n", "no CRLF behind the request line"},
      {"GET / HTTP/1.1\r\nHost: h\n\r\n", "bad byte in a field value"},
      {"GET / HTTP/1.1\r\nHost: h\r\n\n", "without a name"},
      {"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", "no CRLF behind it"},
      {"GET / HTTP/1.1\r\nHost: h\r\n\rG", "bare CR"},
      {Get("A: b\rc: d\r\n"), "no CRLF behind it"},
      {Get("\rA: b\r\n"), "bare CR"},
      {Chunked("3\nabc\r\n0\r\n\r\n"), "behind a chunk size"},
      {Chunked("3\r\nabc\n0\r\n\r\n"), "behind a chunk"},
      {Chunked("3\r\nabc0\r\n\r\n"), "behind a chunk"},
      {Chunked("0\r\nA: b\n\r\n"), "field value"},
      {Chunked("0\r\n\n"), "without a name"},
  });
}

TEST(StrictHttpTest, RequestLinesThatAreRefused) {
  ExpectMalformedRequests({
      {" GET / HTTP/1.1\r\n", "method"},
      {"G(T / HTTP/1.1\r\n", "single blank behind the method"},
      {"GET  / HTTP/1.1\r\n", "no known form"},
      {"GET\t/ HTTP/1.1\r\n", "single blank behind the method"},
      {"GET /  HTTP/1.1\r\n", "version"},
      {"GET / a HTTP/1.1\r\n", "version"},
      {"GET /\tHTTP/1.1\r\n", "no target may have"},
      {"GET / HTTP/1.1 \r\n", "request line"},
      {"GET /\r\n", "no target may have"},
      {"GET / http/1.1\r\n", "version"},
      {"GET / HTTP/1.2\r\n", "version other"},
      {"GET / HTTP/2.0\r\n", "version"},
      {"GET / HTTP/1.10\r\n", "request line"},
      {"GET / HTTP/01.1\r\n", "version"},
      {"GET /a#b HTTP/1.1\r\n", "no target may have"},
      {"GET /\xc3\xa9 HTTP/1.1\r\n", "no target may have"},
      {"GET /\x7f HTTP/1.1\r\n", "no target may have"},
      {"GET /\0 HTTP/1.1\r\n"s, "no target may have"},
      {"GET a HTTP/1.1\r\n", "no known form"},
      {"GET ?a HTTP/1.1\r\n", "no known form"},
      {"GET * HTTP/1.1\r\n", "* without OPTIONS"},
      {"OPTIONS *a HTTP/1.1\r\n", "no known form"},
      {"GET h:80 HTTP/1.1\r\n", "no known form"},
      {"CONNECT h:80 HTTP/1.1\r\n", "no known form"},
      {"GET http: HTTP/1.1\r\n", "no known form"},
      {"GET ftp://h/ HTTP/1.1\r\n", "no known form"},
      {"GET http:/// HTTP/1.1\r\n", "bad authority"},
      {"GET http://?a HTTP/1.1\r\n", "bad authority"},
      {"GET http://u@h/ HTTP/1.1\r\n", "bad authority"},
      {"GET http://h:x/ HTTP/1.1\r\n", "bad authority"},
      {"GET http://h/ HTTP/1.1\r\nHost: i\r\n\r\n", "Host and target differ"},
      {"GET http://h/ HTTP/1.1\r\nHost: h:80\r\n\r\n", "Host and target differ"},
  });
}

TEST(StrictHttpTest, RequestLinesThatAreTaken) {
  ExpectWholeRequests({
      "!#$%&'*+-.^_`|~09az /{}|\\^`\"<> HTTP/1.1\r\nHost: h\r\n\r\n",
      "get //a/../b?? HTTP/1.1\r\nHost: h\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET HTTP://H HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET https://h?q HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET http://h:80/a HTTP/1.1\r\nHost: h:80\r\n\r\n",
      "GET http://h/ HTTP/1.0\r\n\r\n",
  });
}

TEST(StrictHttpTest, FieldLinesThatAreRefused) {
  ExpectMalformedRequests({
      {Get("A : b\r\n"), "blank before the colon"},
      {Get("A\t: b\r\n"), "blank before the colon"},
      {Get(" A: b\r\n"), "folded"},
      {Get("A: b\r\n c\r\n"), "folded"},
      {Get("A: b\r\n\tc\r\n"), "folded"},
      {Get(": b\r\n"), "without a name"},
      {Get("A\r\n"), "field name"},
      {Get("A b: c\r\n"), "field name"},
      {Get("A(: b\r\n"), "field name"},
      {Get("A\xe9: b\r\n"), "field name"},
      {Get("A\0: b\r\n"s), "field name"},
      {Get("A: \0\r\n"s), "bad byte in a field value"},
      {Get("A: \x01\r\n"), "bad byte in a field value"},
      {Get("A: \x1f\r\n"), "bad byte in a field value"},
      {Get("A: \x7f\r\n"), "bad byte in a field value"},
      {Get("A: b\vc\r\n"), "bad byte in a field value"},
  });
  ExpectWholeRequests({Get("A:\t b\t \r\n"), Get("A:b:c\r\n"), Get("1: \x80\xff\t~\r\n")});
}

TEST(StrictHttpTest, HostIsThereOnceAndValid) {
  const auto with_host = [](std::string_view lines) {
    return "GET / HTTP/1.1\r\n" + std::string(lines) + "\r\n";
  };
  ExpectMalformedRequests({{with_host(""), "no Host"},
                           {with_host("Host: h\r\nhost: h\r\n"), "Host twice"},
                           {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "Host twice"},
                           {"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", "bad Host"}});
  for (const std::string_view bad :
       {"",      "a b",   "a b:",   "a/b", "a?b", "u@h",    "h:80:80", "h:a",   "h:65536",
        "h:-1",  ":80",   "[::1",   "::1", "[]",  "[::1]a", "[::g]",   "[1:2]", "[fe80::1%25eth0]",
        "[v.a]", "[v1.]", "[vg.a]", "a%2", "a%",  "a%zz",   "a\xe9",   "a\"",   "a\\b",
        "<a>",   "a#b",   "a|b"}) {
    ExpectMalformedRequests({{with_host("Host: " + std::string(bad) + "\r\n"), "bad Host"}});
  }
  for (const std::string_view good :
       {"h", "a,b", "127.0.0.1", "a.b.", "h:80", "h:", "h:65535", "h:00080", "a-._~!$&'()*+,;=1",
        "a%2F", "[::1]", "[::1]:80", "[1:2:3:4:5:6:7:8]", "[::ffff:1.2.3.4]", "[v1f.a:b]", "_a"}) {
    ExpectWholeRequests({with_host("Host: " + std::string(good) + "\r\n")});
  }
  ExpectWholeRequests({"GET / HTTP/1.0\r\n\r\n"});
}

TEST(StrictHttpTest, ConnectionIsAListOfTokens) {
  for (const std::string_view bad : {"a b", "a;b", "\xe9", "close, \"a\"", "close, x y"}) {
    const std::string line = "Connection: " + std::string(bad) + "\r\n";
    ExpectMalformedRequests(
        {{Get(line), "no token"}, {Get("Connection: a\r\n" + line), "no token"}});
    ExpectMalformedResponses({{Ok(line, ""), "no token"}});
  }
  ExpectWholeRequests(
      {Get("Connection: close, x-y\t,TE\r\nConnection:\r\n"), Get("Connection: , ,close,\r\n")});
}

TEST(StrictHttpTest, FramingFieldsThatAreRefused) {
  for (const std::string_view bad :
       {"", "-1", "+1", "1 1", "1,1", "1, 1", "0x1", "1a", "a", "1.0", "\"1\"", "1;",
        "9223372036854775808", "18446744073709551617"}) {
    ExpectMalformedRequests(
        {{Post("Content-Length: " + std::string(bad) + "\r\n", "a"), "bad Content-Length"}});
  }
  for (const std::string_view bad :
       {"", "gzip", "gzip, chunked", "chunked, chunked", "chunked,", ",chunked", "chunked;a",
        "\"chunked\"", "xchunked", "chunke", "chunked identity", "identity",
        "\xa0"
        "chunked"}) {
    ExpectMalformedRequests({{Post("Transfer-Encoding: " + std::string(bad) + "\r\n", "0\r\n\r\n"),
                              "a coding but chunked"}});
  }
  ExpectMalformedRequests({
      {Post("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), "framing field twice"},
      {Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
       "framing field twice"},
      {Post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "beside"},
      {Post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), "beside"},
      {Post("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", "12345"), "beside"},
      {"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "in HTTP/1.0"},
  });
  ExpectWholeRequests({Post("Content-Length: 0\r\n", ""), Post("", ""),
                       Post("CONTENT-LENGTH:1\r\n", "a"),
                       Post("transfer-encoding: \tChunked \r\n", "0\r\n\r\n")});
}

TEST(StrictHttpTest, ChunksThatAreRefused) {
  ExpectMalformedRequests({
      {Chunked("\r\n"), "without a size"},
      {Chunked("g\r\n"), "without a size"},
      {Chunked(" 1\r\na\r\n"), "without a size"},
      {Chunked("-1\r\n"), "without a size"},
      {Chunked("+1\r\n"), "without a size"},
      {Chunked(";a\r\n"), "without a size"},
      {Chunked("0x1\r\n"), "behind a chunk size"},
      {Chunked("1g\r\n"), "behind a chunk size"},
      {Chunked("1 \r\na\r\n"), "blank at the end"},
      {Chunked("1\t\r\na\r\n"), "blank at the end"},
      {Chunked("1 1\r\na\r\n"), "blank at the end"},
      {Chunked("8000000000000000\r\n"), "too large"},
      {Chunked("10000000000000001\r\na"), "too large"},
      {Chunked("1;\r\na\r\n"), "extension without a name"},
      {Chunked("1;;a\r\na\r\n"), "extension without a name"},
      {Chunked("1; =a\r\na\r\n"), "extension without a name"},
      {Chunked("1;a=\r\na\r\n"), "extension without a value"},
      {Chunked("1;a=b=c\r\na\r\n"), "behind a chunk size"},
      {Chunked("1;a b\r\na\r\n"), "blank at the end"},
      {Chunked("1;a=b \r\na\r\n"), "blank at the end"},
      {Chunked("1;a=(\r\na\r\n"), "extension without a value"},
      {Chunked("1;a=\"b\r\na\r\n"), "quoted string"},
      {Chunked("1;a=\"b\\\r\na\r\n"), "quoted string"},
      {Chunked("1;a=\"b\"c\r\na\r\n"), "behind a chunk size"},
      {Chunked("1;a=\"\x7f\"\r\na\r\n"), "quoted string"},
      {Chunked("1;a\0\r\na\r\n"s), "behind a chunk size"},
      {Chunked("1;a\n\r\na\r\n"), "behind a chunk size"},
      {Chunked("1\r\nab\r\n"), "behind a chunk"},
      {Chunked("2\r\na\r\n0\r\n\r\n"), "behind a chunk"},
  });
  ExpectWholeRequests({Chunked("0\r\n\r\n"), Chunked("fF\r\n" + std::string(255, 'x') +
                                                     "\r\n0000000000000000000000\r\n\r\n")});
  EXPECT_EQ(ParseRequest(Chunked("7fffffffffffffff\r\na")).outcome, Outcome::kIncomplete);
}

TEST(StrictHttpTest, TrailersThatAreRefused) {
  for (const std::string_view bad :
       {"Transfer-Encoding: chunked", "Content-Length: 0", "Host: h", "Connection: close", "TE: x",
        "Trailer: x", "Upgrade: x", "Authorization: x", "X-Forwarded-For: x", "content-type: x"}) {
    ExpectMalformedRequests(
        {{Chunked("0\r\nA: b\r\n" + std::string(bad) + "\r\n\r\n"), "may not be a trailer"}});
  }
  ExpectMalformedRequests({{Chunked("0\r\nA : b\r\n\r\n"), "blank before the colon"},
                           {Chunked("0\r\nA: b\r\n c\r\n\r\n"), "folded"},
                           {Chunked("0\r\nA: \x01\r\n\r\n"), "bad byte in a field value"},
                           {Chunked("0\r\nGET / HTTP/1.1\r\n\r\n"), "field name"}});
}

TEST(StrictHttpTest, StatusLinesThatAreRefused) {
  ExpectMalformedResponses({
      {"HTTP/1.1 200\r\n", "no blank behind the status"},
      {"HTTP/1.1  200 OK\r\n", "three digits"},
      {"HTTP/1.1 20 OK\r\n", "three digits"},
      {"HTTP/1.1 2000 OK\r\n", "no blank behind the status"},
      {"HTTP/1.1 099 x\r\n", "bad status"},
      {"HTTP/1.1 600 x\r\n", "bad status"},
      {"HTTP/1.1 +20 x\r\n", "three digits"},
      {"HTTP/1.1\t200 OK\r\n", "single blank before"},
      {"HTTP/1.1 200\tOK\r\n", "no blank behind the status"},
      {"HTTP/1.1 200 O\x01K\r\n", "bad byte in the reason"},
      {"HTTP/1.1 200 O\rK\r\n", "bad byte in the reason"},
      {"HTTP/1.1 200 OK\n", "bad byte in the reason"},
      {"HTTP/2.0 200 OK\r\n", "version"},
      {"HTTP/1.2 200 OK\r\n", "version other"},
      {"http/1.1 200 OK\r\n", "version"},
      {" HTTP/1.1 200 OK\r\n", "version"},
      {"\r\nHTTP/1.1 200 OK\r\n", "version"},
      {"ICY 200 OK\r\n", "version"},
  });
  for (const std::string_view good : {"HTTP/1.1 100 \r\n\r\n", "HTTP/1.1 599 a\tb\r\n\r\n"}) {
    const Parsed parsed = ParseResponse(good, "GET", true);
    EXPECT_EQ(parsed.outcome, Outcome::kComplete) << good << parsed.problem;
  }
}

TEST(StrictHttpTest, ResponseHeadsThatAreRefused) {
  ExpectMalformedResponses({
      {"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", "1xx or 204"},
      {"HTTP/1.1 103 x\r\nTransfer-Encoding: chunked\r\n\r\n", "1xx or 204"},
      {"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", "1xx or 204"},
      {"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n", "1xx or 204"},
      {Ok("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", ""), "beside"},
      {Ok("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), "framing field twice"},
      {Ok("Content-Length: 1, 1\r\n", "a"), "bad Content-Length"},
      {Ok("Transfer-Encoding: gzip, chunked\r\n", ""), "a coding but chunked"},
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "in HTTP/1.0"},
      {"HTTP/1.1 304 x\r\nContent-Length: x\r\n\r\n", "bad Content-Length"},
      {Ok("A : b\r\n", ""), "blank before the colon"},
      {Ok("A: b\r\n c\r\n", ""), "folded"},
  });
}

TEST(StrictHttpTest, MessagesWithoutABodyEndWithTheirHead) {
  struct Case {
    std::string method;
    std::string head;
  };
  const Case cases[] = {
      {"GET", "HTTP/1.1 100 Continue\r\n\r\n"},
      {"GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"},
      {"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
      {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
      {"GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
      {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"HEAD", "HTTP/1.1 404 No\r\n\r\n"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.head);
    const Parsed parsed = ParseResponse(c.head + "12345", c.method, false);
    EXPECT_EQ(parsed.outcome, Outcome::kComplete) << parsed.problem;
    EXPECT_EQ(parsed.size, c.head.size());
    EXPECT_EQ(parsed.message.framing, Framing::kNone);
    EXPECT_EQ(parsed.message.body, "");
  }
}

TEST(StrictHttpTest, AfterA101TheRestIsATunnel) {
  const std::string head = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
  const Parsed parsed = ParseResponse(head + "\x81\x01", "GET", false);
  EXPECT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_EQ(parsed.size, head.size());
  EXPECT_EQ(parsed.message.framing, Framing::kTunnel);
}

TEST(StrictHttpTest, AResponseWithoutFramingEndsWithTheStream) {
  const std::string bytes = Ok("", "abc");
  const Parsed open = ParseResponse(bytes, "GET", false);
  EXPECT_EQ(open.outcome, Outcome::kIncomplete);
  EXPECT_TRUE(open.head_complete);
  EXPECT_EQ(open.message.body, "abc");
  const Parsed ended = ParseResponse(bytes, "GET", true);
  EXPECT_EQ(ended.outcome, Outcome::kComplete);
  EXPECT_EQ(ended.size, bytes.size());
  EXPECT_EQ(ended.message.framing, Framing::kUntilClose);
  EXPECT_EQ(ended.message.body, "abc");
}

TEST(StrictHttpTest, ABodyThatIsCutIsIncompleteThoughTheStreamEnded) {
  const Parsed parsed = ParseResponse(Ok("Content-Length: 4\r\n", "abc"), "GET", true);
  EXPECT_EQ(parsed.outcome, Outcome::kIncomplete);
  EXPECT_EQ(parsed.message.body, "abc");
}

TEST(StrictHttpTest, RequestsAreReadOneAfterTheOther) {
  const std::string first = Post("Content-Length: 3\r\n", "abc");
  const Sequence whole = ParseRequests(first + Get(""));
  EXPECT_EQ(whole.rest, Outcome::kComplete);
  ASSERT_EQ(whole.messages.size(), 2u);
  EXPECT_EQ(whole.messages[0].body, "abc");
  EXPECT_EQ(whole.messages[1].method, "GET");

  const Sequence cut = ParseRequests(first + "GET / HT");
  EXPECT_EQ(cut.rest, Outcome::kIncomplete);
  EXPECT_EQ(cut.messages.size(), 1u);

  const Sequence bad = ParseRequests(first + "d" + Get("A : b\r\n"));
  EXPECT_EQ(bad.rest, Outcome::kMalformed);
  EXPECT_EQ(bad.messages.size(), 1u);
  EXPECT_THAT(bad.problem, HasSubstr("blank before the colon"));

  EXPECT_EQ(ParseRequests("").rest, Outcome::kComplete);
}

TEST(StrictHttpTest, FieldsAreFoundByNameInAnyCase) {
  const Message message = ParseRequest(Get("A: b\r\na: c,D ,\te\r\nX:\r\n")).message;
  EXPECT_EQ(message.Get("HOST"), "h");
  EXPECT_EQ(message.Get("a"), "b|c,D ,\te");
  EXPECT_EQ(message.Get("x"), "");
  EXPECT_EQ(message.Get("y"), std::nullopt);
  EXPECT_TRUE(message.HasToken("A", "d"));
  EXPECT_TRUE(message.HasToken("A", "E"));
  EXPECT_TRUE(message.HasToken("A", "b"));
  EXPECT_FALSE(message.HasToken("A", "c,D"));
  EXPECT_FALSE(message.HasToken("Y", "b"));
}

}  // namespace
}  // namespace remora::strict
