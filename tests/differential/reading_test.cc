#include "tests/differential/reading.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace remora::differential {
namespace {

using strict::Outcome;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
constexpr std::string_view kChunkedHead =
    "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string Chunked(std::string_view rest) { return std::string(kChunkedHead).append(rest); }

TEST(ReadingTest, AllMessagesAreReadUpToTheFirstThatIsMalformed) {
  const Reading reading = Read(std::string(kGet) + std::string(kGet) + "GET  / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(reading.messages, SizeIs(2));
  EXPECT_EQ(reading.rest, Outcome::kMalformed);
  EXPECT_FALSE(reading.rest_has_head);
  EXPECT_THAT(reading.leniencies, IsEmpty());
}

TEST(ReadingTest, OneEmptyLineBeforeARequestLineIsPassedOver) {
  const Reading one = Read("\r\n" + std::string(kGet));
  EXPECT_THAT(one.messages, SizeIs(1));
  EXPECT_EQ(one.rest, Outcome::kComplete);
  EXPECT_THAT(one.leniencies, SizeIs(1));
  // The rest of a message that has begun is still to come.
  EXPECT_EQ(Read("\r\nGET / HT").rest, Outcome::kIncomplete);
}

TEST(ReadingTest, NothingElseBeforeARequestLineIsPassedOver) {
  for (const std::string_view before : {"\n", "\r", " ", "\r\n\r\n", "\r\n\n", "x\r\n"}) {
    const Reading reading = Read(std::string(before) + std::string(kGet));
    EXPECT_THAT(reading.messages, IsEmpty()) << Escaped(before);
    EXPECT_EQ(reading.rest, Outcome::kMalformed) << Escaped(before);
  }
}

TEST(ReadingTest, AForbiddenTrailerIsPassedOverAndTheNextMessageIsFound) {
  const Reading reading =
      Read(Chunked("2\r\nab\r\n0\r\nHost: evil\r\nETag: x\r\n\r\n") + std::string(kGet));
  ASSERT_THAT(reading.messages, SizeIs(2));
  EXPECT_EQ(reading.messages[0].body, "ab");
  EXPECT_THAT(reading.messages[0].trailers,
              ElementsAre(strict::Field{"Host", "evil"}, strict::Field{"ETag", "x"}));
  EXPECT_EQ(reading.messages[1].target, "/");
  EXPECT_EQ(reading.rest, Outcome::kComplete);
}

TEST(ReadingTest, TrailersThatAreNoFieldsStayMalformed) {
  for (const std::string_view trailers :
       {"Host evil\r\n\r\n", "Host : evil\r\n\r\n", "Host: a\x01\r\n\r\n", "Host: a\n\r\n\r\n",
        "Host: a\r\n b: c\r\n\r\n", ": a\r\nHost: b\r\n\r\n"}) {
    const Reading reading = Read(Chunked("2\r\nab\r\n0\r\n" + std::string(trailers)));
    EXPECT_THAT(reading.messages, IsEmpty()) << Escaped(trailers);
    EXPECT_EQ(reading.rest, Outcome::kMalformed) << Escaped(trailers);
  }
}

TEST(ReadingTest, ABrokenBodyIsNoTrailer) {
  const Reading reading = Read(Chunked("2\r\nabc\r\n0\r\nHost: evil\r\n\r\n"));
  EXPECT_EQ(reading.rest, Outcome::kMalformed);
  EXPECT_TRUE(reading.rest_has_head);
}

TEST(ReadingTest, NothingIsDueBehindAMessageThatCloses) {
  const std::string close = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  const Reading reading = Read(std::string(kGet) + close + std::string(kGet));
  EXPECT_EQ(reading.due(), 2u);
  EXPECT_EQ(reading.allowed(), 2u);
}

TEST(ReadingTest, HttpOneZeroMayBeServedFurtherOnlyIfItAsks) {
  const std::string old = "GET / HTTP/1.0\r\n\r\n";
  EXPECT_EQ(Read(old + std::string(kGet)).allowed(), 1u);
  const std::string kept = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_EQ(Read(kept + std::string(kGet)).due(), 1u);
  EXPECT_EQ(Read(kept + std::string(kGet)).allowed(), 2u);
}

TEST(ReadingTest, EscapesShowEachByte) {
  EXPECT_EQ(Escaped(std::string_view("a\r\n\t\\\0\x80\"", 8)), "a\\r\\n\\t\\\\\\x00\\x80\"");
}

}  // namespace
}  // namespace remora::differential
