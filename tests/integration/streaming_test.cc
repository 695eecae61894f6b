// Bodies flow while they are made, both ways at once, and a broken one never looks whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fake_backend.h"
#include "tests/support/running_proxy.h"

namespace remora::proxy {
namespace {

using testing::FakeBackend;
using testing::Gate;
using testing::Message;
using testing::Peer;
using testing::ReadEnd;
using testing::RunningProxy;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

// A request with `fields` whose body is still to come.
std::string Upload(std::string_view fields) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

TEST(StreamingTest, ABackendMayAnswerBeforeItHasReadTheBody) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequestHead());
    peer.Send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    peer.ReadToEnd();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(Upload("Content-Length: 100000000\r\n") + std::string(100'000, 'x'));
  const Message answer = client.ReadResponse();
  EXPECT_EQ(answer.status(), 401u);
  EXPECT_EQ(answer.body, "no");
  // What is left of the body cannot be told from a next request.
  EXPECT_EQ(answer.Field("Connection"), "close");
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
  EXPECT_TRUE(backend.WaitForOpen(0));
}

TEST(StreamingTest, ABackendThatAnswersEarlyAndClosesIsStillHeard) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequestHead();
    peer.Send(
        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    peer.ShutdownSend();
    peer.ReadToEnd();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(Upload("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n");
  const Message answer = client.ReadResponse();
  EXPECT_EQ(answer.status(), 413u);
  EXPECT_EQ(answer.body, "big");
}

TEST(StreamingTest, BothDirectionsRunAtOnce) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequestHead();
    peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (const auto chunk = peer.ReadChunk()) {
      peer.Send("4\r\n" + *chunk + "\r\n");
    }
    peer.Send("0\r\n\r\n");
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(Upload("Transfer-Encoding: chunked\r\n"));
  EXPECT_EQ(client.ReadResponseHead().status(), 200u);
  for (int i = 1000; i < 1050; ++i) {
    const std::string word = std::to_string(i);
    client.Send("4\r\n" + word + "\r\n");
    ASSERT_EQ(client.ReadChunk(), word);  // before the next is sent
  }
  client.Send("0\r\n\r\n");
  EXPECT_EQ(client.ReadBytes(5), "0\r\n\r\n");
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

TEST(StreamingTest, LargeBodiesPassEachOtherWithoutDeadlock) {
  static constexpr std::size_t kSize = 8'000'000;
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    const Message head = peer.ReadRequestHead();
    std::thread sender([&] {
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n" +
                std::string(kSize - 1, 'd'));
    });
    EXPECT_EQ(peer.ReadBytes(kSize), std::string(kSize, 'u'));
    sender.join();
    // Its end comes last: an upload that pauses behind a complete answer may be given up, and TCP
    // on a busy machine pauses for 600 ms now and then.
    peer.Send("d");
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  std::thread sender([&] {
    client.Send(Upload("Content-Length: " + std::to_string(kSize) + "\r\n") +
                std::string(kSize, 'u'));
  });
  const Message answer = client.ReadResponse();
  sender.join();
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.body.size(), kSize);
}

TEST(StreamingTest, EventsArriveOneByOne) {
  Gate next[3];
  FakeBackend backend([&next](Peer& peer, FakeBackend&) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      next[i].Wait();
      peer.Send("data: " + std::to_string(i) + "\n\n");
    }
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponseHead().Field("Content-Type"), "text/event-stream");
  for (int i = 0; i < 3; ++i) {
    next[i].Open();
    EXPECT_EQ(client.ReadChunk(), "data: " + std::to_string(i) + "\n\n");
  }
  EXPECT_EQ(client.ReadBytes(5), "0\r\n\r\n");
}

TEST(StreamingTest, ABodyThatDribblesInIsPutTogetherRight) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequest();
    const std::string answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n"
        "0\r\nX-Sum: 1\r\n\r\n";
    for (const char byte : answer) peer.Send({&byte, 1});
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const Message answer = proxy.Get();
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.body, "abc0123456789");
}

TEST(StreamingTest, ContinueIsTheBackendsToSay) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    Message request = peer.ReadRequestHead();
    EXPECT_EQ(request.Field("Expect"), "100-continue");
    peer.Send("HTTP/1.1 100 Continue\r\n\r\n");
    request.body = peer.ReadBytes(5);
    self.Record(request);
    peer.Send(FakeBackend::Ok("done"));
    peer.ReadToEnd();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(Upload("Content-Length: 5\r\nExpect: 100-continue\r\n"));
  EXPECT_EQ(client.ReadResponse().start, "HTTP/1.1 100 Continue");
  client.Send("hello");
  const Message answer = client.ReadResponse();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.Field("Connection"), std::nullopt);
  EXPECT_EQ(backend.requests()[0].body, "hello");
}

TEST(StreamingTest, ARefusalInsteadOfContinueEndsTheConnection) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequestHead();
    peer.Send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    peer.ReadToEnd();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const Message answer = proxy.Ask(Upload("Content-Length: 5\r\nExpect: 100-continue\r\n"));
  EXPECT_EQ(answer.status(), 403u);
  EXPECT_EQ(answer.Field("Connection"), "close");
}

// Bug: each held its place at the backend for half a second, waiting for a body that does not come.
TEST(StreamingTest, ARefusalInsteadOfContinueHoldsNoPlace) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequestHead());
    peer.Send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    peer.ReadToEnd();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const auto start = std::chrono::steady_clock::now();
  std::vector<Peer> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(proxy.Connect());
    clients.back().Send(Upload("Content-Length: 5\r\nExpect: 100-continue\r\n"));
    EXPECT_EQ(clients.back().ReadResponse().status(), 401u);
    ASSERT_TRUE(proxy.WaitForActive("s1", 0));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(StreamingTest, EarlyHintsPassToHttp11AndNotToHttp10) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n"
      "\r\n" +
      FakeBackend::Ok("end"))));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().Field("Link"), "</a>");
  EXPECT_EQ(client.ReadResponse().Field("Link"), "</b>");
  EXPECT_EQ(client.ReadResponse().body, "end");
  EXPECT_EQ(proxy.Ask("GET / HTTP/1.0\r\n\r\n").status(), 200u);
}

TEST(StreamingTest, InterimAnswersWithoutEndAre502) {
  std::string endless;
  for (int i = 0; i < 11; ++i) endless += "HTTP/1.1 102 Processing\r\n\r\n";
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(endless)));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kGet);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.ReadResponse().status(), 102u);
  EXPECT_EQ(client.ReadResponse().status(), 502u);
}

TEST(StreamingTest, ATruncatedBodyNeverLooksWhole) {
  for (const std::string_view truncated :
       {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"}) {
    FakeBackend backend([truncated](Peer& peer, FakeBackend&) {
      peer.ReadRequest();
      peer.Send(truncated);
    });
    RunningProxy proxy;
    proxy.AddActive("s1", backend);
    for (const std::string_view request :
         {std::string_view(kGet), std::string_view("GET / HTTP/1.0\r\n\r\n")}) {
      const Message answer = proxy.Ask(request);
      // Either it is seen to be cut off, or nothing of it was passed on.
      EXPECT_TRUE(!answer.complete || answer.status() == 502) << truncated << " for " << request;
      EXPECT_NE(answer.end, ReadEnd::kTimeout) << truncated << " for " << request;
    }
    EXPECT_TRUE(proxy.WaitForIdle());
  }
}

TEST(StreamingTest, ABackendThatResetsInABodyIsSeenByTheClient) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\n\r\nuntil close, but then");
    peer.ResetOnClose();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  const Message answer = proxy.Get();
  // The reset may overtake the head.
  EXPECT_TRUE(!answer.complete || answer.status() == 502u);
}

TEST(StreamingTest, AClientThatLeavesInItsBodyEndsTheBackendsRequest) {
  Gate seen;
  FakeBackend backend([&seen](Peer& peer, FakeBackend& self) {
    peer.ReadRequestHead();
    self.Record(Message{});
    seen.Open();
    EXPECT_NE(peer.ReadToEnd(), ReadEnd::kTimeout);
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  {
    Peer client = proxy.Connect();
    client.Send(Upload("Content-Length: 100\r\n") + "only this");
    ASSERT_TRUE(seen.Wait());
  }
  EXPECT_TRUE(backend.WaitForOpen(0));
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

TEST(StreamingTest, AClientThatLeavesInTheAnswerEndsTheBackendsRequest) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    const std::string block(100'000, 'x');
    while (peer.Send(block)) {
    }
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  {
    Peer client = proxy.Connect();
    client.Send(kGet);
    client.ReadBytes(200'000);
  }
  EXPECT_TRUE(backend.WaitForOpen(0));
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

TEST(StreamingTest, AClientThatDoesNotReadHoldsTheBackendBack) {
  static constexpr std::size_t kWhole = 400'000'000;  // far more than all socket buffers on the way
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n");
    const std::string block(100'000, 'x');
    std::size_t sent = 0;
    // Until for half a second nothing more is taken.
    for (pollfd entry{.fd = peer.fd(), .events = POLLOUT, .revents = 0};
         sent < kWhole && poll(&entry, 1, 500) > 0;) {
      sent += peer.SendSome(block);
    }
    EXPECT_LT(sent, kWhole);
    self.Record(Message{});
    peer.ReadToEnd();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kGet);
  EXPECT_TRUE(backend.WaitForRequests(1));
  EXPECT_EQ(proxy.Active("s1"), 1u);
  client.Close();
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

}  // namespace
}  // namespace remora::proxy
