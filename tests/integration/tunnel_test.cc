// A WebSocket upgrade becomes a tunnel of bytes that counts as one request until it closes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/support/fake_backend.h"
#include "tests/support/running_proxy.h"

namespace remora::proxy {
namespace {

using std::chrono::milliseconds;
using testing::Eventually;
using testing::FakeBackend;
using testing::Gate;
using testing::Message;
using testing::Peer;
using testing::ReadEnd;
using testing::RunningProxy;
using testing::TestSettings;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

constexpr std::string_view kUpgrade =
    "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr std::string_view kSwitching =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

// Switches, then sends back what it gets until the other end closes.
FakeBackend::Script Echo() {
  return [](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequest());
    peer.Send(kSwitching);
    for (;;) {
      const std::string bytes = peer.ReadBytes(1);
      if (bytes.empty()) return;
      peer.Send(bytes);
    }
  };
}

TEST(TunnelTest, AnUpgradeIsPassedOnAndBytesGoBothWays) {
  FakeBackend backend(Echo());
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kUpgrade);
  const Message answer = client.ReadResponseHead();
  EXPECT_EQ(answer.status(), 101u);
  EXPECT_EQ(answer.Field("Upgrade"), "websocket");
  EXPECT_EQ(answer.Field("Connection"), "Upgrade");
  EXPECT_EQ(answer.Field("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  const Message request = backend.requests()[0];
  EXPECT_EQ(request.Field("Upgrade"), "websocket");
  EXPECT_EQ(request.Field("Connection"), "Upgrade");
  EXPECT_EQ(request.Field("Sec-WebSocket-Key"), "dGhlIHNhbXBsZSBub25jZQ==");
  for (const std::string_view bytes : {"\x81\x05hello", "GET / HTTP/1.1\r\n\r\n", "\r\n"}) {
    client.Send(bytes);
    EXPECT_EQ(client.ReadBytes(bytes.size()), bytes);
  }
}

TEST(TunnelTest, BytesThatFollowTheHeadsAtOnceAreNotLost) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequest());
    peer.Send(std::string(kSwitching) + "from the backend");
    EXPECT_EQ(peer.ReadBytes(15), "from the client");
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(std::string(kUpgrade) + "from the client");
  EXPECT_EQ(client.ReadResponseHead().status(), 101u);
  EXPECT_EQ(client.ReadBytes(16), "from the backend");
}

TEST(TunnelTest, ItCountsAsOneRequestUntilItCloses) {
  FakeBackend backend(Echo());
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kUpgrade);
  EXPECT_EQ(client.ReadResponseHead().status(), 101u);
  client.Send("x");
  EXPECT_EQ(client.ReadBytes(1), "x");
  EXPECT_EQ(proxy.Active("s1"), 1u);
  client.Close();
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
  EXPECT_TRUE(backend.WaitForOpen(0));
  EXPECT_TRUE(Eventually([&] { return proxy.proxy().connections() == 0; }));
}

TEST(TunnelTest, AHalfCloseOfTheClientIsPassedOnAndTheOtherWayGoesOn) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequest());
    peer.Send(kSwitching);
    EXPECT_EQ(peer.ReadToEnd(), ReadEnd::kEnd);
    peer.Send("after " + peer.buffered());
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kUpgrade);
  EXPECT_EQ(client.ReadResponseHead().status(), 101u);
  client.Send("the last word");
  client.ShutdownSend();
  EXPECT_EQ(client.ReadToEnd(), ReadEnd::kEnd);
  EXPECT_EQ(client.buffered(), "after the last word");
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

TEST(TunnelTest, AHalfCloseOfTheBackendIsPassedOnAndTheOtherWayGoesOn) {
  Gate got_all;
  FakeBackend backend([&got_all](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequest());
    peer.Send(std::string(kSwitching) + "bye");
    peer.ShutdownSend();
    EXPECT_EQ(peer.ReadToEnd(), ReadEnd::kEnd);
    EXPECT_EQ(peer.buffered(), "answer");
    got_all.Open();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kUpgrade);
  EXPECT_EQ(client.ReadResponseHead().status(), 101u);
  EXPECT_EQ(client.ReadToEnd(), ReadEnd::kEnd);
  EXPECT_EQ(client.buffered(), "bye");
  client.Send("answer");
  client.ShutdownSend();
  EXPECT_TRUE(got_all.Wait());
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

TEST(TunnelTest, ABackendThatBreaksEndsTheClientsSide) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequest());
    peer.Send(kSwitching);
    peer.ReadBytes(1);
    peer.ResetOnClose();
  });
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kUpgrade);
  EXPECT_EQ(client.ReadResponseHead().status(), 101u);
  client.Send("x");
  EXPECT_NE(client.ReadToEnd(), ReadEnd::kTimeout);
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

TEST(TunnelTest, ATunnelThatIsSilentForItsTimeoutEnds) {
  FakeBackend backend(Echo());
  ProxySettings settings = TestSettings();
  settings.pools[0].timeouts.tunnel = milliseconds(300);
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kUpgrade);
  EXPECT_EQ(client.ReadResponseHead().status(), 101u);
  EXPECT_TRUE(client.IsAtEnd());
  EXPECT_TRUE(proxy.WaitForActive("s1", 0));
}

TEST(TunnelTest, ARefusedUpgradeIsAnOrdinaryAnswer) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok("no"))));
  RunningProxy proxy;
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kUpgrade);
  EXPECT_EQ(client.ReadResponse().body, "no");
  client.Send(kGet);
  EXPECT_EQ(client.ReadResponse().body, "no");
}

}  // namespace
}  // namespace remora::proxy
