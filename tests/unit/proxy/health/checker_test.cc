#include "proxy/health/checker.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/net/event.h"
#include "tests/support/pool.h"

namespace remora::proxy {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t kMaxProbes = 64;
constexpr seconds kPatience{30};

std::string Id(std::size_t index) {
  return (index < 10 ? "s0" : "s") + std::to_string(index);  // their order is that of the numbers
}

std::vector<PoolSettings> OnePool() {
  PoolSettings pool;
  pool.health_check.interval = hours(1);  // none but the probes that a test asks for
  pool.health_check.timeout = 2 * kPatience;
  return {pool};
}

// The loop runs in the test's own thread, and only as far as it can without waiting.
class HealthCheckerTest : public ::testing::Test {
 protected:
  ~HealthCheckerTest() override { log::Init(log::Level::kInfo, log::Format::kAuto); }

  void Add(const std::string& id, const std::string& url = "127.0.0.1:1") {
    const auto added = registry_.Add(
        "default", id, {.url = url, .weight = 1, .max_active = 0, .labels = {}}, "api");
    ASSERT_TRUE(added.ok()) << added.status();
    uids_[id] = added->server.uid;
  }
  void AddMany(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) Add(Id(i));
  }
  ServerState StateOf(const std::string& id) { return registry_.Get("default", id)->state; }

  void StartWith(HealthChecker::MakeProbe make_probe) {
    checker_ = std::make_unique<HealthChecker>(
        loop_, registry_, pools_, [](const std::string&) {}, std::move(make_probe));
    checker_->Start();
    Poll();
  }
  // More than once, as what one handler starts may be ready only for the next.
  void Poll() {
    for (int i = 0; i < 10; ++i) loop_.Turn();
  }
  void OnLoop(std::function<void()> task) {
    loop_.Post(std::move(task));
    Poll();
  }
  // False when something is still left in the loop after kPatience.
  bool StopEndsEverything() {
    checker_->Stop();
    loop_.Close();
    return Ends();
  }
  bool Ends() {
    const TimePoint give_up = Clock::now() + kPatience;
    while (!loop_.finished() && Clock::now() < give_up) loop_.Turn(kPatience);
    return loop_.finished();
  }

  const std::vector<PoolSettings> pools_ = OnePool();
  testing::RecordingEvents events_;
  Registry registry_{{"default"}, &events_};
  net::Loop loop_;
  std::map<std::string, std::string> uids_;
  std::unique_ptr<HealthChecker> checker_;
};

// ---- probes at a time ---------------------------------------------------------------------------

// Probes that last until the test ends them, each with a pass.
class HeldProbesTest : public HealthCheckerTest {
 protected:
  void Start() {
    StartWith([this](net::Loop&, const Backend& backend, const PoolSettings&, std::size_t) {
      return Hold(backend.id());
    });
  }
  net::Awaitable<ProbeResult> Hold(std::string id) {
    started_.push_back(id);
    auto& end = ends_[id];
    end = std::make_unique<net::Event>(loop_);
    co_await end->Wait();
    co_return ProbeResult{.verdict = ProbeVerdict::kPassed, .reason = "a test says so"};
  }
  // What was started beyond the first kMaxProbes, in order.
  std::vector<std::string> Late() const {
    EXPECT_GE(started_.size(), kMaxProbes);
    return {started_.begin() + kMaxProbes, started_.end()};
  }

  std::vector<std::string> started_;
  std::map<std::string, std::unique_ptr<net::Event>> ends_;
};

TEST_F(HeldProbesTest, TheNextProbeStartsWhenOneHasEnded) {
  AddMany(kMaxProbes + 2);
  Start();
  EXPECT_THAT(Late(), ElementsAre());
  OnLoop([this] { ends_[Id(7)]->Set(); });
  EXPECT_THAT(Late(), ElementsAre(Id(64)));
  EXPECT_EQ(StateOf(Id(7)), ServerState::kActive);
  OnLoop([this] { ends_[Id(3)]->Set(); });
  EXPECT_THAT(Late(), ElementsAre(Id(64), Id(65)));
  EXPECT_TRUE(StopEndsEverything());
}

// Bug: it was probed past the limit, and the wake-up that was its own was lost to the next.
TEST_F(HeldProbesTest, ARecheckOfAServerInTheQueueChangesNothing) {
  AddMany(kMaxProbes + 2);
  Start();
  OnLoop([this] { checker_->Recheck(uids_[Id(64)]); });
  EXPECT_THAT(Late(), ElementsAre());
  OnLoop([this] { ends_[Id(0)]->Set(); });
  EXPECT_THAT(Late(), ElementsAre(Id(64)));
  OnLoop([this] { ends_[Id(1)]->Set(); });
  EXPECT_THAT(Late(), ElementsAre(Id(64), Id(65)));
  EXPECT_TRUE(StopEndsEverything());
}

// Bug: the turn was lost.
TEST_F(HeldProbesTest, AServerThatIsRemovedWhileItIsBeingWokenPassesItsTurnOn) {
  AddMany(kMaxProbes + 2);
  Start();
  // In this order: the probe ends and wakes the first in the queue; that is removed, which the
  // checker hears of within Close; it wakes.
  loop_.Post([this] { ends_[Id(0)]->Set(); });
  loop_.Turn();
  ASSERT_TRUE(registry_.Remove("default", Id(64), seconds(0)).ok());
  loop_.Close();
  Poll();
  EXPECT_THAT(Late(), ElementsAre(Id(65)));
  EXPECT_TRUE(StopEndsEverything());
}

// Bug: each took one of the 64 with it.
TEST_F(HealthCheckerTest, AProbeThatThrowsGivesItsTurnBack) {
  AddMany(kMaxProbes + 1);
  ::testing::internal::CaptureStderr();
  StartWith([](net::Loop&, const Backend& backend, const PoolSettings&,
               std::size_t) -> net::Awaitable<ProbeResult> {
    if (backend.id() != Id(kMaxProbes)) throw std::runtime_error("a test says so");
    co_return ProbeResult{.verdict = ProbeVerdict::kPassed, .reason = "a test says so"};
  });
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("a health check ended by an exception"));
  EXPECT_EQ(StateOf(Id(kMaxProbes)), ServerState::kActive);
  EXPECT_TRUE(StopEndsEverything());
}

// ---- reports ------------------------------------------------------------------------------------

TEST_F(HeldProbesTest, WhatProbesFindInOneTurnIsPublishedOnce) {
  AddMany(3);
  Start();
  const std::uint64_t generation = registry_.generation();
  OnLoop([this] {
    for (std::size_t i = 0; i < 3; ++i) ends_[Id(i)]->Set();
  });
  EXPECT_EQ(registry_.generation(), generation + 1);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(StateOf(Id(i)), ServerState::kActive);
  EXPECT_TRUE(StopEndsEverything());
}

TEST_F(HeldProbesTest, WhatAProbeHasFoundIsReportedEvenIfTheEndComesNext) {
  AddMany(1);
  Start();
  ends_[Id(0)]->Set();
  loop_.Turn();
  EXPECT_TRUE(StopEndsEverything());
  EXPECT_EQ(StateOf(Id(0)), ServerState::kActive);
}

// ---- warnings -----------------------------------------------------------------------------------

// Bug: one line a probe.
TEST_F(HealthCheckerTest, ProbesWithoutAVerdictAreToldOfOnce) {
  AddMany(100);
  log::Init(log::Level::kWarn, log::Format::kJson);
  ::testing::internal::CaptureStderr();
  std::set<std::string> probed;
  StartWith([&](net::Loop&, const Backend& backend, const PoolSettings&,
                std::size_t) -> net::Awaitable<ProbeResult> {
    probed.insert(backend.id());
    co_return ProbeResult{.verdict = ProbeVerdict::kNone, .reason = "a test says so"};
  });
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(probed.size(), 100U);
  EXPECT_THAT(text, HasSubstr("\"left_out\":\"0\""));
  const std::size_t first = text.find("a probe could not be made");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("a probe could not be made", first + 1), std::string::npos) << text;
  EXPECT_TRUE(StopEndsEverything());
}

// ---- the end of a probe that is under way
// ---------------------------------------------------------

// Listens and answers nothing; `full` takes no connection either.
class SilentListener {
 public:
  explicit SilentListener(bool full) : fd_(Socket()), waiting_(Socket()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_, generic, size), 0);
    EXPECT_EQ(listen(fd_, full ? 0 : 16), 0);
    EXPECT_EQ(getsockname(fd_, generic, &size), 0);
    // A backlog of 0 holds one.
    if (full) {
      EXPECT_EQ(connect(waiting_, generic, size), 0);
    }
    url_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~SilentListener() {
    close(waiting_);
    close(fd_);
  }
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;

  const std::string& url() const { return url_; }

 private:
  static int Socket() { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

  int fd_;
  int waiting_;
  std::string url_;
};

class CutTest : public HealthCheckerTest, public ::testing::WithParamInterface<bool> {};

// Bug: the loop went on until the probe's timeout.
TEST_P(CutTest, StopCutsAProbe) {
  const SilentListener backend(GetParam());
  Add("a", backend.url());
  StartWith(Probe);
  EXPECT_EQ(StateOf("a"), ServerState::kWarming);
  EXPECT_TRUE(StopEndsEverything());
}

TEST_P(CutTest, ARemovalCutsAProbe) {
  const SilentListener backend(GetParam());
  Add("a", backend.url());
  StartWith(Probe);
  ASSERT_TRUE(registry_.Remove("default", "a", seconds(0)).ok());
  Poll();
  // What is left is the mailbox.
  loop_.Post([this] { loop_.Close(); });
  EXPECT_TRUE(Ends());
}

INSTANTIATE_TEST_SUITE_P(, CutTest, ::testing::Bool(), [](const auto& connecting) {
  return connecting.param ? "WhileItConnects" : "WhileItWaitsForTheAnswer";
});

}  // namespace
}  // namespace remora::proxy
