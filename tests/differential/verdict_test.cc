#include "tests/differential/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace remora::differential {
namespace {

using proxy::testing::ReadEnd;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Connection = strict::RecordingBackend::Connection;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view kRefusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

// What a backend records of these bytes on one connection.
Connection Arrived(std::string_view bytes) {
  Connection connection;
  connection.bytes = bytes;
  strict::Sequence sequence = strict::ParseRequests(bytes);
  connection.requests = std::move(sequence.messages);
  connection.problem = std::move(sequence.problem);
  connection.partial = sequence.rest == strict::Outcome::kIncomplete;
  return connection;
}

Verdict JudgeOf(std::string_view sent, std::string_view arrived, std::string_view answers = kOk,
                TargetRule rule = TargetRule::kExact) {
  Play play{.answers = std::string(answers), .end = ReadEnd::kEnd, .arrived = {}};
  if (!arrived.empty()) play.arrived.push_back(Arrived(arrived));
  return Judge(Read(sent), play, rule);
}

TEST(VerdictTest, WhatArrivesAsItWasSentIsWell) {
  const Verdict verdict = JudgeOf(kGet, kGet);
  EXPECT_EQ(verdict.kind, Kind::kWell);
  EXPECT_THAT(verdict.statuses, ElementsAre(200));
  EXPECT_EQ(verdict.answers_problem + verdict.foreign_field, "");
}

TEST(VerdictTest, WhatIsRefusedIsStopped) {
  EXPECT_EQ(JudgeOf(kGet, "", kRefusal).kind, Kind::kShort);
}

TEST(VerdictTest, NothingOfAMalformedRequestIsWell) {
  EXPECT_EQ(JudgeOf("GET  /a HTTP/1.1\r\n\r\n", "", kRefusal).kind, Kind::kWell);
}

TEST(VerdictTest, ARequestMadeOfMalformedBytesIsLetThrough) {
  const Verdict verdict = JudgeOf("GET  /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n", kGet);
  EXPECT_EQ(verdict.kind, Kind::kLetThrough);
  EXPECT_THAT(verdict.why, HasSubstr("GET /a"));
}

TEST(VerdictTest, AnotherMethodTargetOrBodyIsLetThrough) {
  const std::string post = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n";
  EXPECT_EQ(JudgeOf(kGet, "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n").kind, Kind::kLetThrough);
  EXPECT_EQ(JudgeOf(kGet, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n").kind, Kind::kLetThrough);
  EXPECT_EQ(JudgeOf(post + "ab", post + "ac").kind, Kind::kLetThrough);
}

TEST(VerdictTest, ASmuggledRequestIsLetThrough) {
  const std::string twice = std::string(kGet) + std::string(kGet);
  EXPECT_EQ(JudgeOf(twice, twice, std::string(kOk) + std::string(kOk)).kind, Kind::kWell);
  EXPECT_EQ(JudgeOf(kGet, twice).kind, Kind::kLetThrough);
}

TEST(VerdictTest, ARequestBehindTheLastOneIsLetThrough) {
  const std::string close = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  const std::string next = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n";
  EXPECT_EQ(JudgeOf(close + next, close).kind, Kind::kWell);
  EXPECT_EQ(JudgeOf(close + next, close + next).kind, Kind::kLetThrough);
}

TEST(VerdictTest, MalformedBytesAtTheBackendAreLetThroughWhateverWasSent) {
  const Verdict verdict = JudgeOf(kGet, "GET /a HTTP/1.1\r\nHost : h\r\n\r\n");
  EXPECT_EQ(verdict.kind, Kind::kLetThrough);
  EXPECT_TRUE(verdict.malformed_at_backend);
}

TEST(VerdictTest, TheBeginningOfARequestIsLetThroughOnlyIfTheHeadWasMalformed) {
  const std::string head = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n";
  EXPECT_EQ(JudgeOf(head + "\r\nzz", head + "\r\n").kind, Kind::kWell);
  EXPECT_EQ(JudgeOf(head + "\r\n5\r\n", head + "\r\n").kind, Kind::kWell);
  EXPECT_EQ(JudgeOf(head + "X : y\r\n\r\n", head + "\r\n").kind, Kind::kLetThrough);
}

TEST(VerdictTest, TheAbsoluteFormMayBecomeAPath) {
  const std::string rest = " HTTP/1.1\r\nHost: h\r\n\r\n";
  EXPECT_EQ(JudgeOf("GET http://h/x?y" + rest, "GET /x?y" + rest).kind, Kind::kWell);
  EXPECT_EQ(JudgeOf("GET http://h?y" + rest, "GET /?y" + rest).kind, Kind::kWell);
  EXPECT_EQ(JudgeOf("OPTIONS http://h" + rest, "OPTIONS *" + rest).kind, Kind::kWell);
}

TEST(VerdictTest, OnlyOthersMayNormaliseATarget) {
  const std::string rest = " HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string sent = "GET /a/..//%62?%63" + rest;
  EXPECT_EQ(JudgeOf(sent, "GET /b?c" + rest).kind, Kind::kLetThrough);
  EXPECT_EQ(JudgeOf(sent, "GET /b?c" + rest, kOk, TargetRule::kNormalised).kind, Kind::kWell);
  EXPECT_EQ(JudgeOf(sent, "GET /c?c" + rest, kOk, TargetRule::kNormalised).kind, Kind::kLetThrough);
}

TEST(VerdictTest, AFieldThatNobodySentIsFound) {
  const Verdict verdict =
      JudgeOf(kGet, "GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nAuthorization: x\r\n\r\n");
  EXPECT_EQ(verdict.kind, Kind::kWell);
  EXPECT_EQ(verdict.foreign_field, "Authorization: x");
  EXPECT_EQ(JudgeOf(kGet, "GET /a HTTP/1.1\r\nHost: h\r\nVia: 1.1 x\r\n\r\n").foreign_field, "");
}

TEST(VerdictTest, TooManyAndMalformedAnswersAreFound) {
  EXPECT_EQ(JudgeOf(kGet, kGet, std::string(kOk) + std::string(kOk)).answers_problem,
            "more answers than requests");
  EXPECT_NE(JudgeOf(kGet, kGet, "HTTP/1.1 200 OK\r\nX : y\r\n\r\n").answers_problem, "");
  EXPECT_EQ(JudgeOf(kGet, kGet, "HTTP/1.1 103 Hints\r\n\r\n" + std::string(kOk)).answers_problem,
            "");
}

TEST(VerdictTest, TheRefusalOfAHeadRequestMayHaveABodyOrNone) {
  const std::string sent = "HEAD /a HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n";
  const std::string head = "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n";
  EXPECT_EQ(JudgeOf(sent, "", head).answers_problem, "");
  EXPECT_EQ(JudgeOf(sent, "", head + "no").answers_problem, "");
}

}  // namespace
}  // namespace remora::differential
