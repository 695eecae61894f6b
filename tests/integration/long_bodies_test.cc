// Bodies so long that they go through a pipe of the kernel: whole, in order, with nothing of the
// next message in them, and never whole in the eyes of a receiver when they were cut.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/fake_backend.h"
#include "tests/support/running_proxy.h"

namespace remora::proxy {
namespace {

using testing::FakeBackend;
using testing::Message;
using testing::Peer;
using testing::ReadEnd;
using testing::RunningProxy;

constexpr std::size_t kLong = 24 * 1024 * 1024 + 7;

// Each byte tells where it belongs, so that one which is lost, doubled or moved shows.
std::string Body(std::size_t size, unsigned seed = 0) {
  std::string body(size, '\0');
  unsigned state = seed + 1;
  for (char& byte : body) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return body;
}

std::string Post(std::string_view body) {
  return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

// Less than a pipe holds fits between us and the one at the other end.
void Narrow(const Peer& peer, int size = 128 * 1024) {
  setsockopt(peer.fd(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

// A backend that answers with more than is ever read.
void SendWithoutEnd(Peer& peer, FakeBackend& /*self*/) {
  peer.ReadRequestHead();
  peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
  const std::string piece = Body(1'000'000);
  while (peer.Send(piece)) {
  }
}

// Sends while somebody else reads.
std::thread SendBeside(Peer& peer, std::string_view bytes) {
  return std::thread([&peer, bytes] { peer.Send(bytes); });
}

TEST(LongBodiesTest, GoBothWaysWholeAndLeaveTheConnectionsFit) {
  FakeBackend backend(
      FakeBackend::Serve([](const Message& request) { return FakeBackend::Ok(request.body); }));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  for (const std::size_t size : {kLong, std::size_t{512 * 1024}, std::size_t{600'001}, kLong}) {
    const std::string body = Body(size, static_cast<unsigned>(size));
    const std::string request = Post(body);
    std::thread sender = SendBeside(client, request);
    const Message answer = client.ReadResponse();
    sender.join();
    EXPECT_EQ(answer.status(), 200U);
    EXPECT_TRUE(answer.body == body) << size;
  }
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().status(), 200U);
  EXPECT_EQ(backend.connections(), 1U);
}

TEST(LongBodiesTest, ASlowReaderGetsAllOfIt) {
  const std::string body = Body(8 * 1024 * 1024);
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok(body))));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  Narrow(client);
  client.Send(kGet);
  const Message answer = client.ReadResponse();
  EXPECT_TRUE(answer.complete);
  EXPECT_TRUE(answer.body == body);
}

// What is read into the pipe must end where the body does.
TEST(LongBodiesTest, TheNextRequestMayFollowAtOnce) {
  FakeBackend backend(FakeBackend::Serve(
      [](const Message& request) { return FakeBackend::Ok(std::to_string(request.body.size())); }));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  const std::string first = Body(3 * 1024 * 1024, 1);
  const std::string second = Body(2 * 1024 * 1024 + 1, 2);
  const std::string requests = Post(first) + Post(second) + std::string(kGet);
  std::thread sender = SendBeside(client, requests);
  for (const std::size_t size : {first.size(), second.size(), std::size_t{0}}) {
    EXPECT_EQ(client.ReadResponse().body, std::to_string(size));
  }
  sender.join();
  ASSERT_EQ(backend.request_count(), 3U);
  EXPECT_TRUE(backend.requests()[0].body == first);
  EXPECT_TRUE(backend.requests()[1].body == second);
}

// More than there are pipes for.
TEST(LongBodiesTest, ManyAtATimeAreAllWhole) {
  constexpr unsigned kClients = 40;
  FakeBackend backend(
      FakeBackend::Hold([](const Message& request) { return FakeBackend::Ok(request.body); }));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  std::vector<std::thread> clients;
  std::vector<char> whole(kClients, 0);
  for (unsigned i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      const std::string body = Body(1024 * 1024 + i, i);
      Peer client = proxy.Connect();
      Narrow(client);
      client.Send(Post(body));
      whole[i] = client.ReadResponse().body == body ? 1 : 0;
    });
  }
  EXPECT_TRUE(backend.WaitForRequests(kClients));
  backend.Release();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(whole, std::vector<char>(kClients, 1));
  EXPECT_TRUE(proxy.WaitForIdle());
}

TEST(LongBodiesTest, AClientThatClosesItsSideBehindItsBodyIsAnswered) {
  FakeBackend backend(FakeBackend::Serve(
      [](const Message& request) { return FakeBackend::Ok(std::to_string(request.body.size())); }));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(Post(Body(kLong)));
  client.ShutdownSend();
  EXPECT_EQ(client.ReadResponse().body, std::to_string(kLong));
}

TEST(LongBodiesTest, ABackendThatStopsInTheMiddleMakesNoWholeAnswer) {
  for (const bool reset : {false, true}) {
    FakeBackend backend([reset](Peer& peer, FakeBackend&) {
      peer.ReadRequestHead();
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + Body(6'000'000));
      if (reset) peer.ResetOnClose();
    });
    RunningProxy proxy;
    proxy.AddActive("s1", backend);
    Peer client = proxy.Connect();
    client.Send(kGet);
    const Message answer = client.ReadResponse();
    EXPECT_FALSE(answer.complete);
    EXPECT_EQ(answer.end, ReadEnd::kReset);
    EXPECT_TRUE(proxy.WaitForIdle());
  }
}

TEST(LongBodiesTest, AClientThatLeavesEndsTheAnswer) {
  FakeBackend backend(SendWithoutEnd);
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  {
    Peer client = proxy.Connect();
    client.Send(kGet);
    client.ReadBytes(3'000'000);
  }
  EXPECT_TRUE(proxy.WaitForIdle());
  EXPECT_TRUE(backend.WaitForOpen(0));
}

TEST(LongBodiesTest, AClientThatLeavesInItsUploadIsNoWholeRequest) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) { self.Record(peer.ReadRequest()); });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  {
    Peer client = proxy.Connect();
    const std::string request = Post(Body(4'000'000));
    client.Send(std::string_view(request).substr(0, 3'000'000));
  }
  ASSERT_TRUE(backend.WaitForRequests(1));
  EXPECT_FALSE(backend.requests()[0].complete);
  EXPECT_TRUE(proxy.WaitForIdle());
}

TEST(LongBodiesTest, ABackendThatStopsReadingAnswersEarly) {
  FakeBackend backend([](Peer& peer, FakeBackend&) {
    peer.ReadRequestHead();
    peer.ReadBytes(2'000'000);
    peer.Send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    peer.ShutdownSend();
    peer.ReadToEnd();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  const std::string request = Post(Body(kLong));
  std::thread sender = SendBeside(client, request);
  EXPECT_EQ(client.ReadResponse().status(), 413U);
  sender.join();
  EXPECT_TRUE(proxy.WaitForIdle());
}

// More than the backend's window takes is sent with the head: its answer is heard all the same.
TEST(LongBodiesTest, ABackendThatReadsOnlyTheHeadAnswersAtOnce) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    Narrow(peer, 4096);
    peer.ReadRequestHead();
    peer.Send(
        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n"
        "Connection: close\r\n\r\nbig");
    self.WaitForRelease();  // it neither reads on nor closes
  });
  ProxySettings settings = testing::TestSettings();
  settings.pools[0].timeouts.idle = std::chrono::seconds(20);
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  for (const std::size_t size : {100'000U, 400'000U, 5'000'000U}) {
    const auto begin = std::chrono::steady_clock::now();
    Peer client = proxy.Connect();
    const std::string request = Post(Body(size));
    std::thread sender = SendBeside(client, request);
    EXPECT_EQ(client.ReadResponse().status(), 413U) << size;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)) << size;
    shutdown(client.fd(), SHUT_RDWR);  // so that the sender ends
    sender.join();
  }
}

// While the pipe is full and its reader has stopped.
TEST(LongBodiesTest, ARemovalCutsWhatHasStopped) {
  FakeBackend backend(SendWithoutEnd);
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  Narrow(client);
  client.Send(kGet);
  client.ReadBytes(100'000);
  proxy.Remove("s1", std::chrono::milliseconds(50));
  EXPECT_EQ(client.ReadToEnd(), ReadEnd::kReset);
  EXPECT_TRUE(proxy.WaitForIdle());
}

}  // namespace
}  // namespace remora::proxy
