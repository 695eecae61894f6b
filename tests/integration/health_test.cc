// Only servers that have passed a probe get traffic; they leave after `fall`, return after `rise`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/fake_backend.h"
#include "tests/support/running_proxy.h"

namespace remora::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Eventually;
using testing::FakeBackend;
using testing::kPatience;
using testing::Message;
using testing::Peer;
using testing::ReadEnd;
using testing::RunningProxy;
using ::testing::StartsWith;
using testing::TestSettings;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

// Probes often, so that a test needs few of its own milliseconds.
ProxySettings ProbingSettings(ProbeKind kind) {
  ProxySettings settings = TestSettings();
  HealthCheckSettings& check = settings.pools[0].health_check;
  check.probe = kind;
  check.interval = milliseconds(20);
  check.timeout = milliseconds(5000);
  check.rise = 2;
  check.fall = 3;
  return settings;
}

// Answers probes with `probe_status`, everything else with 200.
FakeBackend::Script Probed(std::atomic<int>& probe_status) {
  return FakeBackend::Serve([&probe_status](const Message& request) -> std::string {
    if (request.start != "GET /health HTTP/1.1") return FakeBackend::Ok();
    return "HTTP/1.1 " + std::to_string(probe_status) +
           " Probed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  });
}

TEST(HealthTest, ANewServerGetsNothingUntilItsFirstPass) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    Message request = peer.ReadRequest();
    const bool probe = request.start == "GET /health HTTP/1.1";
    self.Record(request);
    if (probe) self.WaitForRelease();
    peer.Send(FakeBackend::Ok());
  });
  RunningProxy proxy(ProbingSettings(ProbeKind::kHttp));
  proxy.Add("s1", backend.url(), {});
  ASSERT_TRUE(backend.WaitForRequests(1));  // the probe, at once
  EXPECT_EQ(proxy.registry().Get("default", "s1")->state, ServerState::kWarming);
  const Message early = proxy.Get();
  EXPECT_EQ(early.status(), 503u);
  EXPECT_THAT(early.body, StartsWith("{\"reason\":\"no_healthy_server\""));
  EXPECT_EQ(backend.requests().size(), 1u);
  backend.Release();
  ASSERT_TRUE(proxy.WaitForState("s1", ServerState::kActive));
  EXPECT_EQ(proxy.Get().status(), 200u);
}

TEST(HealthTest, AProbeAsksForThePathBehindThePrefixAndSaysWhoItIs) {
  FakeBackend backend(FakeBackend::Serve(
      [](const Message&) { return FakeBackend::Ok("", "Connection: close\r\n"); }));
  RunningProxy proxy(ProbingSettings(ProbeKind::kHttp));
  proxy.AddActive("s1", backend.url() + "/api", {});
  const Message probe = backend.requests()[0];
  EXPECT_EQ(probe.start, "GET /api/health HTTP/1.1");
  EXPECT_EQ(probe.Field("Host"), "127.0.0.1:" + std::to_string(backend.port()));
  EXPECT_EQ(probe.Field("User-Agent"), "remora-probe");
}

TEST(HealthTest, AServerThatFailsLeavesAndComesBack) {
  std::atomic<int> status = 200;
  FakeBackend backend(Probed(status));
  RunningProxy proxy(ProbingSettings(ProbeKind::kHttp));
  proxy.AddActive("s1", backend);
  EXPECT_EQ(proxy.Get().status(), 200u);
  status = 503;
  ASSERT_TRUE(proxy.WaitForState("s1", ServerState::kUnhealthy));
  const auto view = proxy.registry().Get("default", "s1");
  EXPECT_GE(view->consecutive_failures, 3u);
  EXPECT_EQ(view->reason, "probe: HTTP 503");
  EXPECT_EQ(proxy.Get().status(), 503u);
  status = 200;
  ASSERT_TRUE(proxy.WaitForState("s1", ServerState::kActive));
  EXPECT_EQ(proxy.Get().status(), 200u);
}

TEST(HealthTest, ARunningRequestOutlivesTheHealthOfItsServer) {
  std::atomic<int> status = 200;
  FakeBackend backend([&status](Peer& peer, FakeBackend& self) {
    const Message request = peer.ReadRequest();
    if (request.start == "GET /health HTTP/1.1") {
      peer.Send("HTTP/1.1 " + std::to_string(status) + " Probed\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    self.Record(request);
    self.WaitForRelease();
    peer.Send(FakeBackend::Ok("still here"));
  });
  RunningProxy proxy(ProbingSettings(ProbeKind::kHttp));
  proxy.AddActive("s1", backend);
  Peer client = proxy.Connect();
  client.Send(kGet);
  ASSERT_TRUE(backend.WaitForRequests(1));
  status = 500;
  ASSERT_TRUE(proxy.WaitForState("s1", ServerState::kUnhealthy));
  backend.Release();
  EXPECT_EQ(client.ReadResponse().body, "still here");
}

TEST(HealthTest, AutoTakesAMissingEndpointForHealthyAndHttpDoesNot) {
  std::atomic<int> status = 404;
  FakeBackend backend(Probed(status));
  RunningProxy automatic(ProbingSettings(ProbeKind::kAuto));
  automatic.AddActive("s1", backend);
  RunningProxy strict(ProbingSettings(ProbeKind::kHttp));
  strict.Add("s1", backend.url(), {});
  EXPECT_TRUE(strict.WaitForState("s1", ServerState::kUnhealthy));
}

TEST(HealthTest, ATcpProbeNeedsOnlyAConnection) {
  auto backend = std::make_unique<FakeBackend>([](Peer& peer, FakeBackend&) { peer.ReadToEnd(); });
  const std::string url = backend->url();
  RunningProxy proxy(ProbingSettings(ProbeKind::kTcp));
  proxy.AddActive("s1", url, {});
  backend.reset();
  EXPECT_TRUE(proxy.WaitForState("s1", ServerState::kUnhealthy));
  EXPECT_THAT(proxy.registry().Get("default", "s1")->reason, StartsWith("probe: connect: "));
}

TEST(HealthTest, AProbeThatIsNotAnsweredInTimeFails) {
  FakeBackend backend([](Peer& peer, FakeBackend&) { peer.ReadToEnd(); });
  ProxySettings settings = ProbingSettings(ProbeKind::kHttp);
  settings.pools[0].health_check.timeout = milliseconds(100);
  RunningProxy proxy(settings);
  proxy.Add("s1", backend.url(), {});
  EXPECT_TRUE(proxy.WaitForState("s1", ServerState::kUnhealthy));
}

std::string InterimAnswers(int count) {
  std::string answers;
  for (int i = 0; i < count; ++i) answers += "HTTP/1.1 103 Early Hints\r\n\r\n";
  return answers;
}

// Sends interim answers, faster than they are read, until the connection is closed.
FakeBackend::Script EndlessInterim() {
  return [](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequest());
    const std::string many = InterimAnswers(10'000);
    while (peer.Send(many)) {
    }
  };
}

// Bug: such a probe never ended, nor did the process then.
TEST(HealthTest, AProbeThatGetsMoreInterimAnswersThanTheLimitFails) {
  FakeBackend backend(EndlessInterim());
  RunningProxy proxy(ProbingSettings(ProbeKind::kAuto));
  proxy.Add("s1", backend.url(), {});
  EXPECT_TRUE(proxy.WaitForState("s1", ServerState::kUnhealthy));
  EXPECT_EQ(proxy.registry().Get("default", "s1")->reason,
            "probe: more interim answers than interim_responses");
}

TEST(HealthTest, AProbePassesBehindAsManyInterimAnswersAsTheLimitAllows) {
  ProxySettings settings = ProbingSettings(ProbeKind::kHttp);
  settings.pools[0].limits.interim_responses = 3;
  FakeBackend backend(FakeBackend::Serve([](const Message&) {
    return InterimAnswers(3) + FakeBackend::Ok("", "Connection: close\r\n");
  }));
  RunningProxy proxy(settings);
  proxy.AddActive("s1", backend);
  EXPECT_EQ(proxy.registry().Get("default", "s1")->reason, "probe: HTTP 200");
}

TEST(HealthTest, InterimAnswersDoNotPutOffTheDeadlineOfAProbe) {
  FakeBackend backend(EndlessInterim());
  ProxySettings settings = ProbingSettings(ProbeKind::kAuto);
  settings.pools[0].limits.interim_responses = std::numeric_limits<std::uint32_t>::max();
  settings.pools[0].health_check.timeout = milliseconds(100);
  RunningProxy proxy(settings);
  proxy.Add("s1", backend.url(), {});
  EXPECT_TRUE(proxy.WaitForState("s1", ServerState::kUnhealthy));
  EXPECT_EQ(proxy.registry().Get("default", "s1")->reason, "probe: the backend was too slow");
}

// Takes probes and answers none; tells how their connections end.
class SilentBackend {
 public:
  const FakeBackend& backend() const { return backend_; }
  bool ProbeWasClosed() {
    return Eventually([this] { return end_ != ReadEnd::kBytes; }) && end_ == ReadEnd::kEnd;
  }

 private:
  std::atomic<ReadEnd> end_ = ReadEnd::kBytes;
  FakeBackend backend_{[this](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequest());
    end_ = peer.ReadToEnd();
  }};
};

TEST(HealthTest, ARemovalCutsTheProbeThatIsUnderWay) {
  SilentBackend silent;
  ProxySettings settings = ProbingSettings(ProbeKind::kHttp);
  settings.pools[0].health_check.timeout = 4 * kPatience;
  RunningProxy proxy(settings);
  proxy.Add("s1", silent.backend().url(), {});
  ASSERT_TRUE(silent.backend().WaitForRequests(1));
  proxy.Remove("s1", seconds(30));
  EXPECT_TRUE(silent.ProbeWasClosed());
}

// Bug: the process ended only when the probe did.
TEST(HealthTest, TheEndCutsTheProbeThatIsUnderWay) {
  SilentBackend silent;
  ProxySettings settings = ProbingSettings(ProbeKind::kHttp);
  settings.pools[0].health_check.timeout = 4 * kPatience;
  auto proxy = std::make_unique<RunningProxy>(settings);
  proxy->Add("s1", silent.backend().url(), {});
  ASSERT_TRUE(silent.backend().WaitForRequests(1));
  proxy.reset();  // waits for the control loop, which ends when nothing is left in it
  EXPECT_TRUE(silent.ProbeWasClosed());
}

// Bug: it was shown as one, by the time of the last probe.
TEST(HealthTest, AFailedNameLookUpIsNoProbe) {
  RunningProxy proxy(ProbingSettings(ProbeKind::kHttp));
  // A label has at most 63 bytes: no name server is asked for this one.
  proxy.Add("s1", "http://" + std::string(64, 'x') + ".test:80", {});
  const auto view = [&] { return *proxy.registry().Get("default", "s1"); };
  ASSERT_TRUE(Eventually([&] { return view().reason.starts_with("name look-up: "); }));
  EXPECT_EQ(view().state, ServerState::kWarming);
  EXPECT_FALSE(view().last_probe.has_value());
}

TEST(HealthTest, ARemovedServerIsNotProbedAnyMore) {
  std::atomic<int> status = 200;
  FakeBackend backend(Probed(status));
  FakeBackend other(Probed(status));
  RunningProxy proxy(ProbingSettings(ProbeKind::kHttp));
  proxy.AddActive("s1", backend);
  proxy.AddActive("s2", other);
  proxy.Remove("s1", seconds(0));
  ASSERT_TRUE(Eventually([&] { return !proxy.registry().Get("default", "s1").ok(); }));
  // One may be under way; ten intervals of the other's later there is no second.
  const std::size_t before = backend.request_count();
  ASSERT_TRUE(other.WaitForRequests(other.request_count() + 10));
  EXPECT_LE(backend.request_count(), before + 1);
}

// Bug: a probe that was under way when the proxy was destroyed looked at settings of the proxy once
// it ended.
TEST(HealthTest, AProxyMayEndWhileAProbeIsUnderWay) {
  FakeBackend backend([](Peer& peer, FakeBackend& self) {
    self.Record(peer.ReadRequest());
    self.WaitForRelease();
    // Of the statuses that depend on the kind of probe.
    peer.Send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  });
  auto proxy = std::make_unique<RunningProxy>(ProbingSettings(ProbeKind::kAuto));
  proxy->Add("s1", backend.url(), {});
  ASSERT_TRUE(backend.WaitForRequests(1));
  Peer client = proxy->Connect();
  ASSERT_TRUE(Eventually([&] { return proxy->proxy().connections() == 1; }));
  // The workers end within the proxy's destructor, on the control thread; the probe's answer is
  // read behind it.
  std::thread releaser([&] {
    client.ReadToEnd();
    backend.Release();
  });
  proxy.reset();
  releaser.join();
}

}  // namespace
}  // namespace remora::proxy
