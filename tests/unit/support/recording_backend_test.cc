// The strict backend: what it keeps, what it answers, when it hangs up.
#include "tests/support/recording_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/peer.h"

namespace remora::strict {
namespace {

using proxy::testing::Peer;
using proxy::testing::ReadEnd;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Then = RecordingBackend::Then;

std::string Get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(RecordingBackendTest, EachRequestIsAnsweredWithItsOwnName) {
  RecordingBackend backend;
  Peer peer = Peer::Connect(backend.port());
  peer.Send(Get("/a", "X-Case: one\r\n") + Get("/b"));
  const auto first = peer.ReadResponse();
  EXPECT_EQ(first.status(), 200u);
  EXPECT_EQ(first.Field("X-Seen"), "one");
  EXPECT_EQ(first.body, "GET /a");
  const auto second = peer.ReadResponse();
  EXPECT_EQ(second.Field("X-Seen"), std::nullopt);
  EXPECT_EQ(second.body, "GET /b");
  peer.Send("HEAD /c HTTP/1.1\r\nHost: h\r\n\r\n" + Get("/d"));
  EXPECT_EQ(peer.ReadResponse(true).Field("Content-Length"), "7");
  EXPECT_EQ(peer.ReadResponse().body, "GET /d");
}

TEST(RecordingBackendTest, TakeGivesEachThingOnce) {
  RecordingBackend backend;
  EXPECT_THAT(backend.Take(), IsEmpty());
  Peer one = Peer::Connect(backend.port());
  Peer two = Peer::Connect(backend.port());
  const std::string partial = "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nx";
  one.Send(Get("/a"));
  one.ReadResponse();
  two.Send(Get("/b"));
  two.ReadResponse();
  one.Send(Get("/c") + partial);
  one.ReadResponse();
  auto taken = backend.Take();
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].number, 1u);
  EXPECT_EQ(taken[0].bytes, Get("/a") + Get("/c") + partial);
  ASSERT_EQ(taken[0].requests.size(), 2u);
  EXPECT_EQ(taken[0].requests[1].target, "/c");
  EXPECT_THAT(taken[0].order, ElementsAre(1u, 3u));
  EXPECT_TRUE(taken[0].partial);
  EXPECT_FALSE(taken[0].ended);
  EXPECT_EQ(taken[1].number, 2u);
  EXPECT_THAT(taken[1].order, ElementsAre(2u));
  EXPECT_FALSE(taken[1].partial);

  EXPECT_THAT(backend.Take(), IsEmpty());
  one.Send("y");
  one.Close();
  taken = backend.Take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].bytes, "y");
  ASSERT_EQ(taken[0].requests.size(), 1u);
  EXPECT_EQ(taken[0].requests[0].body, "xy");
  EXPECT_FALSE(taken[0].partial);
  EXPECT_TRUE(taken[0].ended);
}

TEST(RecordingBackendTest, MalformedBytesAreAProblemAndTheEnd) {
  RecordingBackend backend;
  Peer peer = Peer::Connect(backend.port());
  peer.Send(Get("/a") + "GET /b HTTP/1.1\r\nHost : h\r\n");
  EXPECT_EQ(peer.ReadResponse().body, "GET /a");
  EXPECT_TRUE(peer.IsAtEnd());
  const auto taken = backend.Take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].requests.size(), 1u);
  EXPECT_THAT(taken[0].problem, HasSubstr("blank before the colon"));
}

TEST(RecordingBackendTest, ASetAnswerIsForAllButCanaries) {
  RecordingBackend backend;
  backend.SetAnswer(std::string(kAnswer));
  Peer peer = Peer::Connect(backend.port());
  peer.Send(Get("/a") + Get("/canary/1"));
  EXPECT_EQ(peer.ReadResponse().body, "ok");
  EXPECT_EQ(peer.ReadResponse().body, "GET /canary/1");
  backend.ClearAnswer();
  peer.Send(Get("/a"));
  EXPECT_EQ(peer.ReadResponse().body, "GET /a");
}

TEST(RecordingBackendTest, AfterASetAnswerItClosesOrResets) {
  RecordingBackend backend;
  for (const Then then : {Then::kClose, Then::kReset}) {
    backend.SetAnswer("x", then);
    Peer peer = Peer::Connect(backend.port());
    peer.Send(Get("/a"));
    EXPECT_EQ(peer.ReadToEnd(), then == Then::kClose ? ReadEnd::kEnd : ReadEnd::kReset);
    EXPECT_EQ(peer.buffered(), "x");
  }
}

// How far they come apart at the receiver is the kernel's business.
TEST(RecordingBackendTest, PiecesMakeUpAnAnswer) {
  RecordingBackend backend;
  backend.SetAnswerInPieces({"HTTP/1.1 200 OK\r\n", "", "Content-Length: 2\r\n\r\nz", "z"},
                            Then::kClose);
  Peer peer = Peer::Connect(backend.port());
  peer.Send(Get("/a"));
  EXPECT_EQ(peer.ReadResponse().body, "zz");
  EXPECT_TRUE(peer.IsAtEnd());
}

TEST(RecordingBackendTest, BehindAnUpgradeNothingIsReadAsHttp) {
  RecordingBackend backend;
  backend.SetAnswer("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
  Peer peer = Peer::Connect(backend.port());
  peer.Send(Get("/a", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
  EXPECT_EQ(peer.ReadResponseHead().status(), 101u);
  peer.Send("\x81\x01");
  const auto taken = backend.Take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].problem, "");
  EXPECT_THAT(taken[0].bytes, ::testing::EndsWith("\x81\x01"));
}

TEST(RecordingBackendTest, CloseAllHangsUpOnEverybody) {
  RecordingBackend backend;
  Peer peer = Peer::Connect(backend.port());
  peer.Send(Get("/a"));
  peer.ReadResponse();
  backend.CloseAll();
  EXPECT_TRUE(peer.IsAtEnd());
}

}  // namespace
}  // namespace remora::strict
