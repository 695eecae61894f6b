// The inbound listeners drain alone: whoever calls the application is sent away without losing a
// request, while the application goes on calling others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fake_backend.h"
#include "tests/support/full_listener.h"
#include "tests/support/running_proxy.h"

namespace remora::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Eventually;
using testing::FakeBackend;
using testing::FullListener;
using testing::kPatience;
using testing::Message;
using testing::Peer;
using testing::ReadEnd;
using testing::RunningProxy;
using testing::TestSettings;
using State = ListenerView::State;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

// Listener 0 is outbound, listener 1 inbound; both send to the same pool.
class InboundDrainTest : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  static ProxySettings Settings() {
    ProxySettings settings = TestSettings(GetParam());
    settings.pools[0].timeouts.connect = std::chrono::hours(1);
    settings.listeners.push_back(settings.listeners[0]);
    settings.listeners[1].direction = Direction::kInbound;
    return settings;
  }

  Peer ConnectInbound() const { return Peer::Connect(inbound_port_); }
  Message GetInbound() const {
    Peer client = ConnectInbound();
    client.Send(kGet);
    return client.ReadResponse();
  }

  static bool IsDone(std::future<bool>& finished, milliseconds limit = kPatience) {
    return finished.wait_for(limit) == std::future_status::ready;
  }

  std::vector<State> States() {
    std::vector<State> states;
    for (const ListenerView& view : proxy_.proxy().listeners()) states.push_back(view.state);
    return states;
  }
  std::vector<std::uint64_t> Connections() {
    std::vector<std::uint64_t> counts;
    for (const ListenerView& view : proxy_.proxy().listeners()) counts.push_back(view.connections);
    return counts;
  }

  RunningProxy proxy_{Settings()};
  std::uint16_t inbound_port_ = [this] {
    const std::string address = proxy_.proxy().listener_addresses().at(1);
    return static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str()));
  }();
};

TEST_P(InboundDrainTest, OutboundServesOnAndLosesNoRequest) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok("whole"))));
  proxy_.AddActive("s1", backend);
  Peer kept = proxy_.Connect();
  std::atomic<bool> stop = false;
  std::atomic<int> asked = 0;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        Peer client = proxy_.Connect();
        // Both kinds: the first of its connection, and one on a connection that was kept.
        for (int request = 0; request < 2; ++request, ++asked) {
          client.Send(kGet);
          if (client.ReadResponse().body != "whole") ++failed;
        }
      }
    });
  }
  EXPECT_EQ(GetInbound().status(), 200u);
  EXPECT_TRUE(Eventually([&] { return asked >= 50; }));
  proxy_.BeginDrain(DrainScope::kInbound);
  auto finished = proxy_.Finish(DrainScope::kInbound, seconds(60));
  ASSERT_TRUE(IsDone(finished));
  EXPECT_TRUE(finished.get());
  EXPECT_LT(ConnectInbound().fd(), 0);
  const int before = asked;
  EXPECT_TRUE(Eventually([&] { return asked >= before + 50; }));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  kept.Send(kGet);
  EXPECT_EQ(kept.ReadResponse().Field("Connection"), std::nullopt)
      << "a connection from before is kept";
}

TEST_P(InboundDrainTest, ItsAnswersSayCloseAndNewConnectionsAreStillServed) {
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  proxy_.AddActive("s1", backend);
  proxy_.BeginDrain(DrainScope::kInbound);
  EXPECT_TRUE(Eventually([&] { return GetInbound().Field("Connection") == "close"; }));
  EXPECT_EQ(GetInbound().status(), 200u);
  EXPECT_EQ(proxy_.Get().Field("Connection"), std::nullopt);
  EXPECT_EQ(States(), (std::vector{State::kAccepting, State::kDraining}));
}

TEST_P(InboundDrainTest, ItWaitsForItsRequestsAndNotForThoseOfOutbound) {
  FakeBackend backend(FakeBackend::Hold(FakeBackend::Always(FakeBackend::Ok("in time"))));
  proxy_.AddActive("s1", backend);
  Peer outbound = proxy_.Connect();
  outbound.Send(kGet);
  Peer inbound = ConnectInbound();
  inbound.Send(kGet);
  ASSERT_TRUE(backend.WaitForRequests(2));
  auto finished = proxy_.Finish(DrainScope::kInbound, seconds(60));
  EXPECT_TRUE(Eventually([&] { return ConnectInbound().fd() < 0; }));
  EXPECT_EQ(States(), (std::vector{State::kAccepting, State::kDraining}));
  EXPECT_EQ(Connections(), (std::vector<std::uint64_t>{1, 1}));
  EXPECT_FALSE(IsDone(finished, milliseconds(100)));
  backend.Release();
  EXPECT_EQ(inbound.ReadResponse().body, "in time");
  inbound.Close();
  ASSERT_TRUE(IsDone(finished));
  EXPECT_TRUE(finished.get());
  EXPECT_EQ(States(), (std::vector{State::kAccepting, State::kClosed}));
  EXPECT_EQ(outbound.ReadResponse().body, "in time");
  EXPECT_EQ(Connections(), (std::vector<std::uint64_t>{1, 0}));
}

// Both directions have a request with the same backend, and one that is still connecting.
TEST_P(InboundDrainTest, WhatOfItRunsAtTheDeadlineIsCutAndNothingElse) {
  FakeBackend backend(FakeBackend::Hold(FakeBackend::Always(FakeBackend::Ok("whole"))));
  proxy_.AddActive("s1", backend);
  Peer outbound = proxy_.Connect();
  outbound.Send(kGet);
  Peer inbound = ConnectInbound();
  inbound.Send(kGet);
  ASSERT_TRUE(backend.WaitForRequests(2));
  const FullListener full;
  proxy_.AddActive("s2", full.url(), {});
  Peer connecting = ConnectInbound();
  connecting.Send(kGet);
  ASSERT_TRUE(proxy_.WaitForActive("s2", 1));
  auto finished = proxy_.Finish(DrainScope::kInbound, milliseconds(200));
  ASSERT_TRUE(IsDone(finished));
  EXPECT_FALSE(finished.get());
  EXPECT_NE(inbound.ReadToEnd(), ReadEnd::kTimeout);
  EXPECT_NE(connecting.ReadToEnd(), ReadEnd::kTimeout);
  EXPECT_TRUE(proxy_.WaitForActive("s1", 1));
  backend.Release();
  EXPECT_EQ(outbound.ReadResponse().body, "whole");
}

TEST_P(InboundDrainTest, ADrainOfAllTakesAPendingOneOver) {
  FakeBackend backend(FakeBackend::Hold(FakeBackend::Always(FakeBackend::Ok("in time"))));
  proxy_.AddActive("s1", backend);
  Peer outbound = proxy_.Connect();
  outbound.Send(kGet);
  Peer inbound = ConnectInbound();
  inbound.Send(kGet);
  ASSERT_TRUE(backend.WaitForRequests(2));
  auto narrow = proxy_.Finish(DrainScope::kInbound, std::chrono::hours(1));
  auto all = proxy_.Finish(DrainScope::kAll, std::chrono::hours(1));
  EXPECT_TRUE(Eventually([&] { return proxy_.Connect().fd() < 0; }));
  EXPECT_FALSE(IsDone(all, milliseconds(50)));
  backend.Release();
  for (Peer* client : {&inbound, &outbound}) {
    EXPECT_EQ(client->ReadResponse().body, "in time");
    client->Close();
  }
  ASSERT_TRUE(IsDone(all));
  EXPECT_TRUE(all.get());
  EXPECT_EQ(States(), (std::vector{State::kClosed, State::kClosed}));
  EXPECT_THROW(narrow.get(), std::future_error) << "nobody tells it any more";
}

TEST_P(InboundDrainTest, ADrainOfAllFollowsOneThatIsDone) {
  auto inbound = proxy_.Finish(DrainScope::kInbound, seconds(60));
  ASSERT_TRUE(IsDone(inbound));
  auto all = proxy_.Finish(DrainScope::kAll, seconds(60));
  ASSERT_TRUE(IsDone(all));
  EXPECT_TRUE(all.get());
  EXPECT_EQ(States(), (std::vector{State::kClosed, State::kClosed}));
}

INSTANTIATE_TEST_SUITE_P(Workers, InboundDrainTest, ::testing::Values(1, 2));

}  // namespace
}  // namespace remora::proxy
