// The player itself: each thing that it looks at is told when it is not as expected.
#include "tests/http1/player.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "tests/http1/player_fixture.h"
#include "tests/http1/stage.h"
#include "tests/support/fake_backend.h"

namespace remora::http1 {
namespace {

using proxy::testing::FakeBackend;
using proxy::testing::Message;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

RequestCase ForwardedGet() {
  RequestCase read;
  read.name = "get";
  read.send = "GET /a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n";
  ExpectedRequest expected;
  expected.line = "GET /a HTTP/1.1";
  expected.has = {"Host: h", "X: y", "via"};
  expected.body = "";
  read.forwarded = {expected};
  read.answers = {200};
  return read;
}

RequestCase RefusedGet() {
  RequestCase read;
  read.name = "refused";
  read.send = "GET /a HTTP/1.1\r\n\r\n";
  read.answers = {400};
  read.refused = read.closed = true;
  return read;
}

ResponseCase SizedAnswer() {
  ResponseCase read;
  read.name = "sized";
  read.request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  read.answer = kOk;
  read.status = 200;
  read.message.has = {"Content-Length: 2"};
  read.message.body = "ok";
  return read;
}

class PlayerTest : public PlayerFixture {
 protected:
  // Played as it is, then with one expectation changed, which must be told.
  template <class Case, class Change>
  void ExpectTold(Case valid, Change change, std::string_view told) {
    EXPECT_EQ(player().Play(valid, Way::kWhole), "");
    change(valid);
    EXPECT_THAT(player().Play(valid, Way::kWhole), HasSubstr("- " + std::string(told)));
  }
};

TEST_F(PlayerTest, TellsWhatIsWrongWithAForwardedRequest) {
  const auto told = [this](auto change, std::string_view what) {
    ExpectTold(ForwardedGet(), change, what);
  };
  told([](RequestCase& c) { c.forwarded[0].line = "GET /b HTTP/1.1"; }, "request 1 at the backend");
  told([](RequestCase& c) { c.forwarded[0].has = {"x: y"}; },
       "request 1 at the backend lacks \"x: y\"");
  told([](RequestCase& c) { c.forwarded[0].has = {"Z"}; }, "request 1 at the backend lacks \"Z\"");
  told([](RequestCase& c) { c.forwarded[0].lacks = {"x"}; },
       "request 1 at the backend has \"X: y\"");
  told([](RequestCase& c) { c.forwarded[0].body = "b"; }, "request 1 at the backend has the body");
  told([](RequestCase& c) { c.forwarded[0].trailers = {"A: b"}; },
       "request 1 at the backend has the trailers");
  told([](RequestCase& c) { c.forwarded.clear(); }, "expected 0 requests");
  told([](RequestCase& c) { c.forwarded.push_back(c.forwarded[0]); }, "expected 2 requests");
  told([](RequestCase& c) { c.answers = {201}; }, "expected the answers [201], got [200]");
  told([](RequestCase& c) { c.closed = true; }, "the last answer does not say Connection: close");
}

TEST_F(PlayerTest, TellsWhatIsWrongWithARefusal) {
  const auto told = [this](auto change, std::string_view what) {
    ExpectTold(RefusedGet(), change, what);
  };
  told([](RequestCase& c) { c.answers = {401}; }, "expected the answers [401], got [400]");
  told([](RequestCase& c) { c.closed = false; }, "the connection ends");
  told([](RequestCase& c) { c.send = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"; },
       "expected the answers [400], got [200]");
  // A body that breaks when its head has been sent on.
  RequestCase broken = RefusedGet();
  broken.send = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\ng";
  broken.kind = RequestCase::Kind::kBroken;
  broken.refused = false;
  EXPECT_EQ(player().Play(broken, Way::kBytes), "");
  broken.kind = RequestCase::Kind::kAnswered;
  broken.refused = true;
  EXPECT_THAT(player().Play(broken, Way::kBytes), HasSubstr("the backend sees a part"));
}

TEST_F(PlayerTest, TellsWhatIsWrongWithAnAnswer) {
  const auto told = [this](auto change, std::string_view what) {
    ExpectTold(SizedAnswer(), change, what);
  };
  told([](ResponseCase& c) { c.status = 204; }, "expected the status 204, got 200");
  told([](ResponseCase& c) { c.interim = {103}; }, "expected the interim answers [103], got []");
  told([](ResponseCase& c) { c.answer = "HTTP/1.1 103 x\r\n\r\n" + c.answer; },
       "expected the interim answers [], got [103]");
  told([](ResponseCase& c) { c.message.body = "no"; }, "the answer has the body");
  told([](ResponseCase& c) { c.message.lacks = {"date"}; }, "the answer has \"Date: ");
  told([](ResponseCase& c) { c.cut = true; }, "the answer should be cut");
  told([](ResponseCase& c) { c.closed = true; }, "the client's connection lives");
  told([](ResponseCase& c) { c.reused = false; }, "the backend's connection is used again");
  told([](ResponseCase& c) { c.answer += "x"; }, "the backend's connection is not used again");
  told(
      [](ResponseCase& c) {
        c.answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok";
        c.then = strict::RecordingBackend::Then::kClose;
      },
      "the answer is cut");
  told(
      [](ResponseCase& c) {
        c.request = "GET / HTTP/1.0\r\n\r\n";
        c.closed = false;
      },
      "the client's connection ends");
}

// In place of a proxy: what a bad one might send.
TEST(ClientTest, TellsMalformedBytes) {
  FakeBackend bad(
      FakeBackend::Serve(FakeBackend::Always("HTTP/1.1 200 OK\nContent-Length: 0\r\n")));
  Client client(bad.port());
  client.Send({"GET / HTTP/1.1\r\nHost: h\r\n\r\n"});
  client.Read({Asked()}, false);
  EXPECT_THAT(client.problems(), ElementsAre(HasSubstr("malformed bytes")));
}

TEST(ClientTest, TellsChunksForAnOldClient) {
  FakeBackend bad(FakeBackend::Serve(
      FakeBackend::Always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")));
  Client client(bad.port());
  client.Send({"GET / HTTP/1.0\r\n\r\n"});
  client.Read({Asked{.method = "GET", .minor_version = 0}}, false);
  EXPECT_THAT(client.problems(), ElementsAre(HasSubstr("HTTP/1.0")));
}

TEST(ClientTest, KeepsWhatIsCutApart) {
  FakeBackend bad(FakeBackend::Serve(
      FakeBackend::Always("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nok")));
  Client client(bad.port());
  client.Send({"GET / HTTP/1.1\r\nHost: h\r\n\r\n"});
  client.Read({Asked()}, false);
  EXPECT_THAT(client.answers(), IsEmpty());
  ASSERT_TRUE(client.cut().has_value());
  EXPECT_EQ(client.cut()->body, "ok");
  EXPECT_TRUE(client.ended());
}

TEST(ClientTest, CountsAnAnswerTooMany) {
  FakeBackend bad(FakeBackend::Serve(FakeBackend::Always(std::string(kOk) + std::string(kOk))));
  Client client(bad.port());
  client.Send({"GET / HTTP/1.1\r\nHost: h\r\n\r\n"});
  client.Read({Asked()}, false);
  EXPECT_THAT(client.statuses(), ElementsAre(200u, 200u));
}

TEST(StageTest, ALateAnswerPutsTheCanaryOutOfStep) {
  Stage stage;
  std::atomic<bool> late = false;
  FakeBackend bad(FakeBackend::Serve([&late](const Message& request) {
    const std::string id = request.Field("X-Case").value_or("");
    const std::string own = FakeBackend::Ok("GET /canary/" + id, "X-Seen: " + id + "\r\n");
    return late ? std::string(kOk) + own : own;
  }));
  std::vector<std::string> problems;
  Client client(bad.port());
  stage.AskCanary(client, problems);
  EXPECT_THAT(problems, IsEmpty());
  late = true;
  stage.AskCanary(client, problems);
  EXPECT_THAT(problems, ElementsAre(HasSubstr("does not get its own answer")));
  // Nobody has brought them to the backend of this stage.
  EXPECT_THAT(stage.Observe().problems, SizeIs(2));
}

TEST(StageTest, TellsWhatABadProxySendsToTheBackend) {
  Stage stage;
  Client direct(stage.backend().port());
  direct.Send({"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
               "GET /b HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n"});
  direct.Read({Asked(), Asked()}, true);
  const Seen seen = stage.Observe();
  EXPECT_THAT(seen.problems, ElementsAre(HasSubstr("the backend gets malformed bytes")));
  ASSERT_THAT(seen.requests, SizeIs(1));
  EXPECT_EQ(seen.requests[0].body, "x");
}

TEST(CutUpTest, PiecesMakeUpTheWhole) {
  const std::string small = "GET / HTTP/1.1\r\n";
  const std::string large(20'000, 'x');
  for (const std::string& bytes : {std::string(), std::string("a"), small, large}) {
    for (const Way way : {Way::kWhole, Way::kBytes, Way::kCuts}) {
      std::string joined;
      for (const std::string& piece : CutUp(bytes, way, "seed")) joined += piece;
      EXPECT_EQ(joined, bytes);
    }
  }
  EXPECT_THAT(CutUp(small, Way::kWhole, ""), ElementsAre(small));
  EXPECT_THAT(CutUp(small, Way::kBytes, ""), SizeIs(small.size()));
  EXPECT_THAT(CutUp(large, Way::kBytes, ""), SizeIs(2048 + 1 + 2048));
  EXPECT_EQ(CutUp(small, Way::kCuts, "a"), CutUp(small, Way::kCuts, "a"));
  EXPECT_NE(CutUp(small, Way::kCuts, "a"), CutUp(small, Way::kCuts, "b"));
}

}  // namespace
}  // namespace remora::http1
