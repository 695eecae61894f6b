// What is taken as plain, what is left to Beast, and above all: that nothing is taken which Beast's
// parser or the scanner would refuse or read otherwise.
#include "proxy/message/plain_head.h"

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/message/head_parser.h"

namespace remora::proxy::message {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using error_code = boost::system::error_code;

// A head as text, by Beast alone; nullopt where it refuses.
template <bool kIsRequest>
class BeastReader final : public http::basic_parser<kIsRequest> {
 public:
  static std::optional<std::string> Read(std::string_view bytes) {
    BeastReader reader;
    reader.header_limit(static_cast<std::uint32_t>(bytes.size() + 1));
    reader.body_limit(boost::none);
    reader.skip(true);
    error_code error;
    const std::size_t used =
        reader.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    if (error || !reader.is_header_done() || used != bytes.size()) return std::nullopt;
    return reader.text_;
  }

 private:
  void Add(beast::string_view text) { text_.append(text.data(), text.size()) += '|'; }

  void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                       int version, error_code&) override {
    Add(method);
    Add(target);
    text_ += std::to_string(version % 10) + '\n';
  }
  void on_response_impl(int code, beast::string_view reason, int version, error_code&) override {
    Add(reason);
    text_ += std::to_string(code) + '|' + std::to_string(version % 10) + '\n';
  }
  void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    Add(name);
    Add(value);
    text_ += '\n';
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view, error_code&) override {
    return 0;
  }
  void on_finish_impl(error_code&) override {}

  std::string text_;
};

std::string StartOf(const RequestHead& head) {
  return std::string(head.method) + '|' + std::string(head.target) + '|' +
         std::to_string(head.minor_version) + '\n';
}
std::string StartOf(const ResponseHead& head) {
  return std::string(head.reason) + '|' + std::to_string(head.status) + '|' +
         std::to_string(head.minor_version) + '\n';
}

struct Plain {
  std::size_t size;
  std::string text;  // as of BeastReader
};

template <class Head>
std::optional<Plain> ReadPlain(std::string_view bytes, const HeadLimits& limits = {}) {
  // Of exactly this size, so that the address sanitizer sees a read behind it.
  const std::vector<char> copy(bytes.begin(), bytes.end());
  Head head;
  const auto size = TakePlainHead({copy.data(), copy.size()}, limits, head);
  if (!size) return std::nullopt;
  std::string text = StartOf(head);
  std::string lines;
  for (const Field& field : head.fields) {
    text += std::string(field.name()) + '|' + std::string(field.value()) + "|\n";
    lines += field.line();
    EXPECT_EQ(field.id(), FieldIdOf(field.name()));
  }
  lines += "\r\n";
  EXPECT_TRUE(bytes.substr(0, *size).ends_with(lines)) << bytes;
  return Plain{*size, text};
}

bool IsPlainRequest(std::string_view bytes) { return ReadPlain<RequestHead>(bytes).has_value(); }
bool IsPlainResponse(std::string_view bytes) { return ReadPlain<ResponseHead>(bytes).has_value(); }

bool Scans(std::string_view bytes) {
  HeadScanner scanner;
  return scanner.Scan(bytes, {}) == HeadScanner::Outcome::kComplete && scanner.start() == 0 &&
         scanner.size() == bytes.size();
}

TEST(PlainHeadTest, WhatIsUsualIsPlain) {
  EXPECT_TRUE(IsPlainRequest("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(IsPlainRequest("POST /a?b HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\n"));
  EXPECT_TRUE(IsPlainRequest("PUT * HTTP/1.1\r\ntransfer-encoding:chunked\r\nEmpty:\r\n\r\n"));
  EXPECT_TRUE(IsPlainRequest("M-SEARCH /\xc3 HTTP/1.1\r\nX_y-9: \t v\xc3\tw \t\r\n\r\n"));
  EXPECT_TRUE(IsPlainRequest("GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_TRUE(IsPlainResponse("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_TRUE(IsPlainResponse("HTTP/1.0 404 \r\n\r\n"));
  EXPECT_TRUE(IsPlainResponse("HTTP/1.1 999 Not  so\tgood\r\nA: b\r\n\r\n"));
}

TEST(PlainHeadTest, WhatLeavesAnythingToDecideIsLeftToBeast) {
  for (const std::string_view request :
       {"",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "GET / HTTP/1.\r\n\r\n",
        "GET / HTTP/1.11\r\n\r\n",
        "GET /\t HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "G@T / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET / HTTP/1.1\r\nH!st: h\r\n\r\n",
        "GET / HTTP/1.1\r\n: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n",

        "GET / HTTP/1.1\r\nConnection: close, TE\r\n\r\n",
        "GET / HTTP/1.1\r\nConnection:\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: a\r\nTransfer-Encoding: b\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1234567890123456789\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length:\r\n\r\n"}) {
    EXPECT_FALSE(IsPlainRequest(request)) << request;
  }
  for (const std::string_view response :
       {"HTTP/1.1 200\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n", "HTTP/1.1 200 O\x01K\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n"}) {
    EXPECT_FALSE(IsPlainResponse(response)) << response;
  }
}

TEST(PlainHeadTest, ItEndsWhereTheHeadEnds) {
  constexpr std::string_view kHead = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
  for (const std::string_view behind : {"", "body", "\r\n\r\n", "A: b\r\n\r\n"}) {
    const auto plain = ReadPlain<RequestHead>(std::string(kHead).append(behind));
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->size, kHead.size());
  }
  for (std::size_t size = 0; size < kHead.size(); ++size) {
    EXPECT_FALSE(IsPlainRequest(kHead.substr(0, size))) << size;
  }
}

TEST(PlainHeadTest, WhoPassesALimitIsNotPlain) {
  constexpr std::string_view kHead = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
  constexpr HeadLimits kJust{
      .head_bytes = kHead.size(), .head_fields = 2, .request_line_bytes = 16};
  HeadLimits limits = kJust;
  EXPECT_TRUE(ReadPlain<RequestHead>(kHead, limits));
  --limits.head_bytes;
  EXPECT_FALSE(ReadPlain<RequestHead>(kHead, limits));
  limits = kJust;
  --limits.head_fields;
  EXPECT_FALSE(ReadPlain<RequestHead>(kHead, limits));
  limits = kJust;
  --limits.request_line_bytes;
  EXPECT_FALSE(ReadPlain<RequestHead>(kHead, limits));
}

// Small changes to sound heads, at the places where rules differ.
class Mutator {
 public:
  std::string Next(std::string_view seed) {
    std::string text(seed);
    for (std::size_t changes = Below(4); changes > 0; --changes) Change(text);
    return text;
  }

 private:
  std::size_t Below(std::size_t n) { return random_() % n; }

  void Change(std::string& text) {
    static constexpr char kText[] =
        "\r\n\t :,;=\"/.-_!@[`{~\x00\x01\x1f\x7f\x80\xff"
        "09aAzZ+%#*";
    constexpr std::string_view kBytes(kText, sizeof(kText) - 1);
    constexpr std::string_view kPieces[] = {"\r\n",
                                            "\r\n\r\n",
                                            "\r\n ",
                                            ": ",
                                            "HTTP/1.1",
                                            "Content-Length: 1\r\n",
                                            "Content-Length: 1, 1\r\n",
                                            "Transfer-Encoding: chunked\r\n",
                                            "Connection: a, b\r\n",
                                            "Proxy-Connection: close\r\n",
                                            "Upgrade: x\r\n",
                                            "Connection: ,\r\n",
                                            "a: b\r\n"};
    const std::size_t at = Below(text.size());
    switch (Below(5)) {
      case 0:
        text[at] = kBytes[Below(kBytes.size())];
        break;
      case 1:
        text.insert(at, 1, kBytes[Below(kBytes.size())]);
        break;
      case 2:
        text.erase(at, 1 + Below(3));
        break;
      case 3:
        text.insert(at, kPieces[Below(std::size(kPieces))]);
        break;
      default: {
        const std::size_t line = text.find('\n', at);
        if (line != std::string::npos) {
          text.insert(line + 1, kPieces[Below(std::size(kPieces))]);
        }
      }
    }
    if (text.empty()) text = "x";
  }

  std::mt19937_64 random_{20};  // the same heads in each run
};

template <bool kIsRequest, class Head>
void CompareWithBeast(std::initializer_list<std::string_view> seeds) {
  Mutator mutator;
  std::size_t plain = 0;
  std::size_t accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    for (const std::string_view seed : seeds) {
      const std::string bytes = mutator.Next(seed);
      accepted += Scans(bytes) && BeastReader<kIsRequest>::Read(bytes).has_value();
      const auto taken = ReadPlain<Head>(bytes);
      if (!taken) continue;
      ++plain;
      const std::string_view head = std::string_view(bytes).substr(0, taken->size);
      ASSERT_TRUE(Scans(head)) << ::testing::PrintToString(bytes);
      ASSERT_EQ(taken->text, BeastReader<kIsRequest>::Read(head))
          << ::testing::PrintToString(bytes);
    }
  }
  // Or nothing has been shown.
  EXPECT_GT(plain, accepted / 2);
  EXPECT_GT(accepted, 10'000U);
}

TEST(PlainHeadTest, ARequestIsTakenOnlyAsBeastReadsIt) {
  CompareWithBeast<true, RequestHead>(
      {"GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
       "POST / HTTP/1.0\r\nContent-Length: 12\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n",
       "PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Request-ID: 4711\r\nTE: "
       "trailers\r\n\r\n"});
}

TEST(PlainHeadTest, AResponseIsTakenOnlyAsBeastReadsIt) {
  CompareWithBeast<false, ResponseHead>(
      {"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n",
       "HTTP/1.0 404 Not Found\r\nServer: s\r\nConnection: close\r\n\r\n",
       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"});
}

}  // namespace
}  // namespace remora::proxy::message
