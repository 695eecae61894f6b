#include "proxy/message/head_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/support/messages.h"

namespace remora::proxy::message {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kPlain =
    "GET /a?b=c HTTP/1.1\r\n"
    "Host: example.test\r\n"
    "Empty:\r\n"
    "x-padded: \t two words \t\r\n"
    "X-Forwarded-For: 192.0.2.1\r\n"
    "\r\n";

// What came of a head, in values that can be compared.
struct Outcome {
  std::optional<std::size_t> size;
  std::optional<ErrorKind> error;
  std::vector<std::string> lines;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Gives the parser `text` as if it came in pieces that end at `cuts`.
Outcome ParsePieces(const std::string& text, const std::vector<std::size_t>& cuts,
                    const HeadLimits& limits) {
  HeadScanner scanner;
  RequestHead head;
  Outcome outcome;
  for (const std::size_t cut : cuts) {
    // A copy of its own, so that a read behind the piece is seen by the address sanitizer.
    const std::string piece = text.substr(0, cut);
    const auto size = ParseRequestHead(scanner, piece, limits, head);
    if (!size) {
      outcome.error = size.error().kind;
      return outcome;
    }
    if (!*size) continue;
    outcome.size = **size;
    outcome.lines.push_back(std::string(head.method) + ' ' + std::string(head.target));
    for (const Field& field : head.fields) {
      outcome.lines.push_back(std::string(field.name()) + '|' + std::string(field.value()) + '|' +
                              std::string(field.line()));
    }
    return outcome;
  }
  return outcome;
}

Outcome ParseWhole(const std::string& text, const HeadLimits& limits) {
  return ParsePieces(text, {text.size()}, limits);
}

std::vector<std::string> Corpus() {
  const std::string plain(kPlain);
  std::string long_value = "GET / HTTP/1.1\r\nHost: h\r\nx: " + std::string(300, 'v') + "\r\n\r\n";
  std::string many_fields = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 12; ++i) many_fields += "a: b\r\n";
  many_fields += "\r\n";
  return {plain,
          plain + "the body or the next request",
          "\r\n" + plain,
          "\r\n\r\n" + plain,
          "GET / HTTP/1.1\nHost: h\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\r\n\n",
          "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
          "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
          "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: h\rx\r\n\r\n",
          std::string("GET / HTTP/1.1\r\nHost: h\0x\r\n\r\n", 28),
          "GET / HTTP/3.0\r\nHost: h\r\n\r\n",
          "GET /" + std::string(300, 'p') + " HTTP/1.1\r\nHost: h\r\n\r\n",
          long_value,
          many_fields,
          "GET / HTTP/1.1\r\nHost: h\r\nnot complete"};
}

TEST(HeadParserTest, AHeadIsTakenApartIntoSpans) {
  const auto head = testing::ParseRequest(kPlain);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->target, "/a?b=c");
  EXPECT_EQ(head->minor_version, 1u);
  ASSERT_EQ(head->fields.size(), 4u);
  EXPECT_EQ(head->fields[0].name(), "Host");
  EXPECT_EQ(head->fields[0].value(), "example.test");
  EXPECT_EQ(head->fields[0].line(), "Host: example.test\r\n");
  EXPECT_EQ(head->fields[0].id(), FieldId::kHost);
  EXPECT_EQ(head->fields[1].value(), "");
  EXPECT_EQ(head->fields[1].line(), "Empty:\r\n");
  EXPECT_EQ(head->fields[2].value(), "two words");
  EXPECT_EQ(head->fields[2].id(), FieldId::kOther);
  EXPECT_EQ(head->fields[3].id(), FieldId::kXForwardedFor);
}

TEST(HeadParserTest, SpansLieInTheBytesThatWereParsed) {
  const auto head = testing::ParseRequest(kPlain);
  ASSERT_TRUE(head);
  const auto inside = [](std::string_view span) {
    return span.data() >= kPlain.data() &&
           span.data() + span.size() <= kPlain.data() + kPlain.size();
  };
  EXPECT_TRUE(inside(head->method));
  EXPECT_TRUE(inside(head->target));
  for (const Field& field : head->fields) {
    EXPECT_TRUE(inside(field.name()) && inside(field.value()) && inside(field.line()))
        << field.name();
  }
}

TEST(HeadParserTest, AResponseIsTakenApartIntoSpans) {
  const auto head = testing::ParseResponse("HTTP/1.0 404 Not so found\r\nDate: today\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 404u);
  EXPECT_EQ(head->reason, "Not so found");
  EXPECT_EQ(head->minor_version, 0u);
  ASSERT_EQ(head->fields.size(), 1u);
  EXPECT_EQ(head->fields[0].id(), FieldId::kDate);
}

TEST(HeadParserTest, AResponseMayHaveNoReason) {
  const auto head = testing::ParseResponse("HTTP/1.1 200 \r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200u);
  EXPECT_EQ(head->reason, "");
}

TEST(HeadParserTest, EachNameThatRemoraActsOnHasItsIdInAnyCase) {
  const std::pair<std::string_view, FieldId> names[] = {
      {"connection", FieldId::kConnection},
      {"CONTENT-LENGTH", FieldId::kContentLength},
      {"date", FieldId::kDate},
      {"eXPECT", FieldId::kExpect},
      {"forwarded", FieldId::kForwarded},
      {"host", FieldId::kHost},
      {"HTTP2-Settings", FieldId::kHttp2Settings},
      {"max-forwards", FieldId::kMaxForwards},
      {"Via", FieldId::kVia},
      {"keep-alive", FieldId::kKeepAlive},
      {"proxy-connection", FieldId::kProxyConnection},
      {"te", FieldId::kTe},
      {"trailer", FieldId::kTrailer},
      {"Transfer-Encoding", FieldId::kTransferEncoding},
      {"upgrade", FieldId::kUpgrade},
      {"X-FORWARDED-for", FieldId::kXForwardedFor},
      {"x-forwarded-host", FieldId::kXForwardedHost},
      {"x-forwarded-proto", FieldId::kXForwardedProto},
      {"x-request-id", FieldId::kXRequestId},
      {"x-request-ids", FieldId::kOther},
      {"xx-request-id", FieldId::kOther},
      {"hosts", FieldId::kOther}};
  for (const auto& [name, id] : names) {
    const std::string line = std::string(name) + ": 1";
    const auto field = ParseFieldLine(line);
    ASSERT_TRUE(field) << name;
    EXPECT_EQ(field->id(), id) << name;
    EXPECT_EQ(field->name(), name);
    EXPECT_EQ(field->value(), "1");
  }
}

TEST(HeadParserTest, AFieldLineMustHaveATokenAColonAndNoControlBytes) {
  for (const std::string_view line : {"", ":", ": v", "name", "na me: v", "name : v", "n\"me: v",
                                      "name: a\x01"
                                      "b",
                                      "name: a\x7f"
                                      "b",
                                      "n\xc3\xa4me: v"}) {
    EXPECT_FALSE(ParseFieldLine(line)) << line;
  }
  EXPECT_FALSE(ParseFieldLine(std::string_view("a\0b: c", 6)));
  EXPECT_FALSE(ParseFieldLine(std::string_view("ab: \0", 5)));
  EXPECT_TRUE(ParseFieldLine("name:\tv\xc3\xa4\tw "));
}

TEST(HeadParserTest, ByteByByteGivesTheSameAsInOnePiece) {
  for (const HeadLimits& limits :
       {HeadLimits{}, HeadLimits{.head_bytes = 200, .head_fields = 10}}) {
    for (const std::string& text : Corpus()) {
      std::vector<std::size_t> cuts(text.size());
      for (std::size_t i = 0; i < cuts.size(); ++i) cuts[i] = i + 1;
      EXPECT_EQ(ParsePieces(text, cuts, limits), ParseWhole(text, limits)) << text;
    }
  }
}

TEST(HeadParserTest, CutsAtRandomPlacesGiveTheSameAsInOnePiece) {
  std::mt19937 random(4);
  for (const HeadLimits& limits :
       {HeadLimits{}, HeadLimits{.head_bytes = 200, .head_fields = 10}}) {
    for (const std::string& text : Corpus()) {
      const Outcome whole = ParseWhole(text, limits);
      for (int round = 0; round < 100; ++round) {
        std::vector<std::size_t> cuts{text.size()};
        for (std::size_t n = random() % 6; n > 0; --n) cuts.push_back(random() % text.size());
        std::ranges::sort(cuts);
        EXPECT_EQ(ParsePieces(text, cuts, limits), whole) << text;
      }
    }
  }
}

TEST(HeadParserTest, BytesBehindTheHeadAreLeft) {
  const Outcome outcome = ParseWhole(std::string(kPlain) + "GET /next HTTP/1.1\r\n\r\n", {});
  EXPECT_EQ(outcome.size, kPlain.size());
}

TEST(HeadParserTest, OneEmptyLineBeforeTheRequestIsPassedOver) {
  const std::string text = "\r\n" + std::string(kPlain);
  const auto head = testing::ParseRequest(text);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(ParseWhole(text, {}).size, text.size());
}

TEST(HeadParserTest, TwoEmptyLinesBeforeTheRequestAreRefused) {
  EXPECT_EQ(ParseWhole("\r\n\r\n" + std::string(kPlain), {}).error, ErrorKind::kBadRequest);
}

TEST(HeadParserTest, ALineThatIsNoFieldIsRefusedBeforeTheHeadHasEnded) {
  EXPECT_EQ(ParseWhole("GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n", {}).error,
            ErrorKind::kBadRequest);
}

TEST(HeadParserTest, ARequestLineLongerThanTheLimitIs414) {
  const HeadLimits limits{.head_bytes = 64, .head_fields = 10};
  EXPECT_EQ(ParseWhole("GET /" + std::string(80, 'a') + " HTTP/1.1\r\n\r\n", limits).error,
            ErrorKind::kUriTooLong);
  // Also before its end has come.
  EXPECT_EQ(ParseWhole("GET /" + std::string(80, 'a'), limits).error, ErrorKind::kUriTooLong);
}

TEST(HeadParserTest, AHeadLongerThanTheLimitIs431) {
  const HeadLimits limits{.head_bytes = 64, .head_fields = 10};
  EXPECT_EQ(ParseWhole("GET / HTTP/1.1\r\na: " + std::string(80, 'b') + "\r\n\r\n", limits).error,
            ErrorKind::kHeadersTooLarge);
  EXPECT_EQ(ParseWhole("GET / HTTP/1.1\r\na: " + std::string(80, 'b'), limits).error,
            ErrorKind::kHeadersTooLarge);
}

TEST(HeadParserTest, AHeadOfExactlyTheLimitPassesAndOneByteMoreDoesNot) {
  const std::string text(kPlain);
  EXPECT_EQ(ParseWhole(text, {.head_bytes = text.size(), .head_fields = 10}).size, text.size());
  EXPECT_EQ(ParseWhole(text, {.head_bytes = text.size() - 1, .head_fields = 10}).error,
            ErrorKind::kHeadersTooLarge);
}

TEST(HeadParserTest, AsManyFieldsAsTheLimitPassAndOneMoreIs431) {
  std::string text = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 5; ++i) text += "a: b\r\n";
  EXPECT_TRUE(ParseWhole(text + "\r\n", {.head_bytes = 1000, .head_fields = 5}).size);
  EXPECT_EQ(ParseWhole(text + "\r\n", {.head_bytes = 1000, .head_fields = 4}).error,
            ErrorKind::kHeadersTooLarge);
}

TEST(HeadParserTest, OfAHeadThatIsNotCompleteNothingIsSaid) {
  HeadScanner scanner;
  RequestHead head;
  const auto size = ParseRequestHead(scanner, "GET /a HTTP/1.1\r\nHost: h\r\n", {}, head);
  ASSERT_TRUE(size);
  EXPECT_FALSE(*size);
  EXPECT_EQ(head.method, "");
  EXPECT_EQ(head.target, "");
  EXPECT_TRUE(head.fields.empty());
}

TEST(HeadParserTest, AScannerThatWasResetServesTheNextHead) {
  HeadScanner scanner;
  RequestHead head;
  const HeadLimits limits;
  ASSERT_TRUE(ParseRequestHead(scanner, kPlain, limits, head).value());
  scanner.Reset();
  const auto size = ParseRequestHead(scanner, "PUT /b HTTP/1.1\r\nHost: h\r\n\r\n", limits, head);
  ASSERT_TRUE(size && *size);
  EXPECT_EQ(head.method, "PUT");
  EXPECT_EQ(head.fields.size(), 1u);
}

TEST(HeadParserTest, EmptyListMembersAreNoTokens) {
  std::vector<std::string> tokens;
  const auto collect = [&](std::string_view token) { tokens.emplace_back(token); };
  ForEachToken(" a ,, \tb\t, ,c", collect);
  EXPECT_THAT(tokens, ElementsAre("a", "b", "c"));
  tokens.clear();
  ForEachToken(" , ", collect);
  EXPECT_THAT(tokens, IsEmpty());
}

}  // namespace
}  // namespace remora::proxy::message
