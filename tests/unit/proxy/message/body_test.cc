#include "proxy/message/body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace remora::proxy::message {
namespace {

struct Outcome {
  std::string data;
  std::string trailers;
  std::size_t consumed = 0;
  bool ended = false;
  std::optional<ErrorKind> error;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Feeds `text` in pieces of `sizes` bytes (the last size goes on to the end). What a step does not
// consume stays for the next message, so decoding stops there.
Outcome Decode(BodyDecoder decoder, std::string_view text, const std::vector<std::size_t>& sizes) {
  Outcome outcome;
  std::size_t next = 0;
  for (std::size_t at = 0; at < text.size() && !outcome.ended;) {
    const std::size_t size = std::min(sizes[std::min(next++, sizes.size() - 1)], text.size() - at);
    std::vector<char> piece(text.begin() + static_cast<std::ptrdiff_t>(at),
                            text.begin() + static_cast<std::ptrdiff_t>(at + size));
    const auto step = decoder.Decode(piece);
    if (!step) {
      outcome.error = step.error().kind;
      return outcome;
    }
    EXPECT_LE(step->data, step->consumed);
    EXPECT_LE(step->consumed, size);
    EXPECT_EQ(step->end, decoder.ended());
    if (!step->end) {
      EXPECT_EQ(step->consumed, size);
    }
    outcome.data.append(piece.data(), step->data);
    outcome.consumed += step->consumed;
    outcome.ended = step->end;
    at += step->consumed;
  }
  outcome.trailers = decoder.trailers();
  return outcome;
}

BodyDecoder Chunked(const BodyLimits& limits = {}) {
  return {Framing::kChunked, 0, Side::kDownstream, limits};
}

Outcome DecodeChunked(std::string_view text, const BodyLimits& limits = {}) {
  return Decode(Chunked(limits), text, {text.size()});
}

struct Encoded {
  std::string text;
  std::string data;
  std::string trailers;
};

// A chunked message with sizes, letter cases, extensions and trailers by chance.
Encoded RandomChunked(std::mt19937& random) {
  Encoded encoded;
  for (std::size_t chunks = random() % 6; chunks > 0; --chunks) {
    const std::size_t size = 1 + random() % (random() % 4 == 0 ? 5000 : 20);
    char digits[24];
    std::snprintf(digits, sizeof(digits), random() % 2 ? "%zx" : "%04zX", size);
    encoded.text += digits;
    if (random() % 3 == 0) encoded.text += random() % 2 ? ";name=value" : " ; a=\"b c\"";
    encoded.text += "\r\n";
    for (std::size_t i = 0; i < size; ++i) {
      const char byte = static_cast<char>(random() % 256);
      encoded.data += byte;
      encoded.text += byte;
    }
    encoded.text += "\r\n";
  }
  encoded.text += random() % 2 ? "0\r\n" : "000;last\r\n";
  if (random() % 2) {
    encoded.trailers = "X-Checksum: 17\r\nx-trailer-other:\r\n";
    encoded.text += "X-Checksum: 17\r\nContent-Length: 3\r\nx-trailer-other:\r\n";
  }
  encoded.text += "\r\n";
  return encoded;
}

TEST(BodyDecoderTest, NoBodyEndsAtOnceAndTakesNothing) {
  BodyDecoder decoder;
  EXPECT_TRUE(decoder.ended());
  EXPECT_EQ(decoder.wanted(), 0u);
  std::string next = "GET / HTTP/1.1\r\n";
  const auto step = decoder.Decode(next);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->consumed, 0u);
  EXPECT_TRUE(step->end);
}

TEST(BodyDecoderTest, ALengthIsTakenExactly) {
  const BodyDecoder decoder(Framing::kLength, 5, Side::kDownstream, {});
  const Outcome expected{
      .data = "hello", .trailers = "", .consumed = 5, .ended = true, .error = {}};
  EXPECT_EQ(Decode(decoder, "helloGET /", {100}), expected);
  EXPECT_EQ(Decode(decoder, "helloGET /", {1}), expected);
  EXPECT_EQ(Decode(decoder, "helloGET /", {3, 7}), expected);
}

TEST(BodyDecoderTest, WantedIsWhatIsLeftOfALength) {
  BodyDecoder decoder(Framing::kLength, 5, Side::kDownstream, {});
  EXPECT_EQ(decoder.wanted(), 5u);
  std::string part = "he";
  ASSERT_TRUE(decoder.Decode(part));
  EXPECT_EQ(decoder.wanted(), 3u);
}

TEST(BodyDecoderTest, ChunksInOnePieceLieTogetherAtTheFront) {
  std::string text = "3\r\nabc\r\n4;x\r\ndefg\r\n0\r\n\r\nrest";
  BodyDecoder decoder = Chunked();
  const auto step = decoder.Decode(text);
  ASSERT_TRUE(step);
  EXPECT_EQ(text.substr(0, step->data), "abcdefg");
  EXPECT_EQ(text.substr(step->consumed), "rest");
  EXPECT_TRUE(step->end);
}

TEST(BodyDecoderTest, ChunksCutAnywhereGiveWhatWasEncoded) {
  std::mt19937 random(4);
  for (int round = 0; round < 300; ++round) {
    const Encoded encoded = RandomChunked(random);
    const std::string text = encoded.text + "the next message";
    const Outcome expected{.data = encoded.data,
                           .trailers = encoded.trailers,
                           .consumed = encoded.text.size(),
                           .ended = true,
                           .error = {}};
    ASSERT_EQ(Decode(Chunked(), text, {text.size()}), expected);
    ASSERT_EQ(Decode(Chunked(), text, {1}), expected);
    std::vector<std::size_t> sizes;
    for (int i = 0; i < 50; ++i) sizes.push_back(1 + random() % (random() % 2 ? 3 : 700));
    ASSERT_EQ(Decode(Chunked(), text, sizes), expected);
  }
}

TEST(BodyDecoderTest, BadChunkFramingIsRefusedHoweverItIsCut) {
  for (const std::string_view text : {"\r\n",
                                      "g\r\n",
                                      " 3\r\nabc\r\n",
                                      "-3\r\nabc\r\n",
                                      "+3\r\nabc\r\n",
                                      "0x3\r\nabc\r\n",
                                      "3\nabc\r\n",
                                      "3\rabc\r\n",
                                      "3 \r\nabc\r\n",
                                      "3 x\r\nabc\r\n",
                                      "3\r\nabcd\r\n",
                                      "3\r\nabc\n",
                                      "3\r\nabc\rx",
                                      "3\r\nab\r\n\r\n",
                                      "3;a\nb\r\nabc\r\n",
                                      "3;a\x01\r\nabc\r\n",
                                      ";a\r\n",
                                      "1000000000000000\r\n",
                                      "0\r\n\n",
                                      "0\r\n\rx",
                                      "0\r\nA: b\n\r\n",
                                      "0\r\nA: b\rx\r\n",
                                      "0\r\nno colon\r\n\r\n",
                                      "0\r\n folded: x\r\n\r\n",
                                      "0\r\nA : b\r\n\r\n",
                                      "0\r\nA: b\r\n folded\r\n\r\n",
                                      "0\r\nA: \x01\r\n\r\n",
                                      "0\r\nA: b\r\n: c\r\n\r\n"}) {
    EXPECT_EQ(DecodeChunked(text).error, ErrorKind::kBadRequest) << text;
    EXPECT_EQ(Decode(Chunked(), text, {1}).error, ErrorKind::kBadRequest) << text;
  }
}

// Bug: LF as the first byte of a trailer line was refused only at the end of that line, so the
// refusal waited for bytes that need not come.
TEST(BodyDecoderTest, ABareLineFeedBehindTheLastChunkIsRefusedAtOnce) {
  EXPECT_EQ(DecodeChunked("0\r\n\n").error, ErrorKind::kBadRequest);
}

TEST(BodyDecoderTest, ABackendsBadFramingIsTheBackendsFault) {
  BodyDecoder decoder(Framing::kChunked, 0, Side::kUpstream, {});
  std::string text = "zz\r\n";
  const auto step = decoder.Decode(text);
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().kind, ErrorKind::kUpstreamBadResponse);
  EXPECT_EQ(step.error().side, Side::kUpstream);
  EXPECT_EQ(step.error().sent, Sent::kAnswered);
}

TEST(BodyDecoderTest, ExtensionsOfAllChunksTogetherAreLimited) {
  const BodyLimits limits{.chunk_extension_bytes = 10};
  const std::string chunk = "1;1234\r\nx\r\n";
  EXPECT_FALSE(DecodeChunked(chunk + chunk + "0\r\n\r\n", limits).error);
  EXPECT_EQ(DecodeChunked(chunk + chunk + chunk + "0\r\n\r\n", limits).error,
            ErrorKind::kBadRequest);
}

TEST(BodyDecoderTest, ExtensionsFollowTheirGrammar) {
  for (const std::string_view good : {";a", ";a=b", ";a=\"\"", ";a=\"b;\\\"c\\\\\"", " ;a",
                                      "\t;\ta = b ;c", ";a=\"b\" ;c=d", ";a=\"\xff\t\""}) {
    const std::string text = "1" + std::string(good) + "\r\nx\r\n0\r\n\r\n";
    EXPECT_FALSE(DecodeChunked(text, {}).error) << good;
  }
  for (const std::string_view bad :
       {";",         " ",           ";;a",           ";a;",       "; ",    ";a=",    ";=b",
        ";a=b=c",    ";a b",        ";a=b c",        ";a ",       ";a=b ", ";a=\"b", ";a=\"b\"c",
        ";a=\"\\\"", ";a=\"\x01\"", ";a=\"\\\x01\"", ";a=\"\n\"", ";\xff", ";a\n",   ",a",
        "=a"}) {
    const std::string text = "1" + std::string(bad) + "\r\nx\r\n0\r\n\r\n";
    EXPECT_EQ(DecodeChunked(text, {}).error, ErrorKind::kBadRequest) << bad;
  }
}

TEST(BodyDecoderTest, TrailersAreLimited) {
  const BodyLimits limits{.trailer_bytes = 20};
  EXPECT_FALSE(DecodeChunked("0\r\nAbc: 12345\r\nDe: 123456\r\n\r\n", limits).error);
  EXPECT_EQ(DecodeChunked("0\r\nAbc: 12345\r\nDe: 1234567\r\n\r\n", limits).error,
            ErrorKind::kBadRequest);
  EXPECT_EQ(DecodeChunked("0\r\nAbc: " + std::string(30, 'x'), limits).error,
            ErrorKind::kBadRequest);
}

TEST(BodyDecoderTest, OnlyTrailersThatMayPassAreKept) {
  const Outcome outcome = DecodeChunked(
      "0\r\nX-Checksum: 1\r\nX-Real-IP: 1\r\nTransfer-Encoding: chunked\r\nHost: "
      "evil\r\nauthorization: x\r\n"
      "grpc-status: 0\r\n\r\n");
  EXPECT_TRUE(outcome.ended);
  EXPECT_EQ(outcome.trailers, "X-Checksum: 1\r\ngrpc-status: 0\r\n");
}

TEST(BodyDecoderTest, NothingOfOneBodyIsLeftForTheNext) {
  BodyDecoder decoder = Chunked({.body_bytes = 3, .trailer_bytes = 15});
  std::string first = "3\r\nabc\r\n0\r\nX-Checksum: 1\r\n\r\n";
  ASSERT_TRUE(decoder.Decode(first)->end);
  EXPECT_EQ(decoder.trailers(), "X-Checksum: 1\r\n");
  decoder.Start(Framing::kLength, 2, Side::kDownstream, {});
  EXPECT_FALSE(decoder.ended());
  EXPECT_EQ(decoder.wanted(), 2);
  EXPECT_EQ(decoder.trailers(), "");
  // Given up in the middle of a chunk, and of a trailer.
  for (std::string part : {"3\r\nab", "0\r\nX-Check"}) {
    decoder.Start(Framing::kChunked, 0, Side::kDownstream, {.body_bytes = 3, .trailer_bytes = 15});
    ASSERT_TRUE(decoder.Decode(part));
    EXPECT_FALSE(decoder.ended());
  }
  decoder.Start(Framing::kChunked, 0, Side::kUpstream, {.body_bytes = 3, .trailer_bytes = 15});
  std::string last = "3\r\ndef\r\n0\r\nX-Checksum: 2\r\n\r\n";
  const auto step = decoder.Decode(last);
  ASSERT_TRUE(step);
  EXPECT_TRUE(step->end);
  EXPECT_EQ(last.substr(0, step->data), "def");
  EXPECT_EQ(decoder.trailers(), "X-Checksum: 2\r\n");
  decoder.Start(Framing::kNone, 0, Side::kUpstream, {});
  EXPECT_TRUE(decoder.ended());
}

TEST(BodyDecoderTest, ABodyOfExactlyTheLimitPassesAndOneByteMoreDoesNot) {
  const BodyLimits limits{.body_bytes = 6};
  EXPECT_TRUE(DecodeChunked("3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", limits).ended);
  EXPECT_EQ(DecodeChunked("3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", limits).error,
            ErrorKind::kRequestTooLarge);
  EXPECT_EQ(Decode(Chunked(limits), "3\r\nabc\r\n4\r\ndefg\r\n", {1}).error,
            ErrorKind::kRequestTooLarge);
}

TEST(BodyDecoderTest, UntilCloseEverythingIsBody) {
  BodyDecoder decoder(Framing::kUntilClose, 0, Side::kUpstream, {});
  std::string text = "anything at all";
  const auto step = decoder.Decode(text);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->data, text.size());
  EXPECT_FALSE(step->end);
  EXPECT_TRUE(decoder.OnEndOfStream());
  EXPECT_TRUE(decoder.ended());
}

TEST(BodyDecoderTest, TheEndOfTheStreamInABodyIsAnError) {
  for (const Framing framing : {Framing::kLength, Framing::kChunked}) {
    BodyDecoder client(framing, 5, Side::kDownstream, {});
    ASSERT_FALSE(client.OnEndOfStream());
    EXPECT_EQ(client.OnEndOfStream().error().kind, ErrorKind::kClientClosed);
    EXPECT_FALSE(client.ended());
    BodyDecoder backend(framing, 5, Side::kUpstream, {});
    ASSERT_FALSE(backend.OnEndOfStream());
    EXPECT_EQ(backend.OnEndOfStream().error().kind, ErrorKind::kUpstreamClosedEarly);
    EXPECT_EQ(backend.OnEndOfStream().error().sent, Sent::kAnswered);
  }
}

TEST(BodyDecoderTest, TheEndOfTheStreamBeforeTheLastEmptyLineIsAnError) {
  for (const std::string_view text :
       {"3\r\nabc\r\n", "3\r\nabc\r\n0", "3\r\nabc\r\n0\r\n", "0\r\n\r", "0\r\nA: b\r\n"}) {
    BodyDecoder decoder(Framing::kChunked, 0, Side::kUpstream, {});
    std::string bytes(text);
    ASSERT_TRUE(decoder.Decode(bytes)) << text;
    EXPECT_FALSE(decoder.OnEndOfStream()) << text;
  }
}

TEST(BodyDecoderTest, TheEndOfTheStreamBehindABodyIsNone) {
  BodyDecoder decoder(Framing::kLength, 2, Side::kUpstream, {});
  std::string bytes = "ab";
  ASSERT_TRUE(decoder.Decode(bytes));
  EXPECT_TRUE(decoder.OnEndOfStream());
}

}  // namespace
}  // namespace remora::proxy::message
