#include "server/first_probes.h"

#include <gtest/gtest.h>

#include <optional>

namespace remora::server {
namespace {

using proxy::ServerState;

class FirstProbesTest : public testing::Test {
 protected:
  std::string Add(const std::string& id) {
    const auto added =
        registry_.Add("", id, {.url = "http://" + id + ":80", .labels = {}}, "config");
    EXPECT_TRUE(added.ok()) << added.status();
    return added->server.uid;
  }
  void Report(const std::string& uid, ServerState state, std::optional<proxy::WallTime> probed) {
    registry_.ReportHealth(uid, {.state = state, .reason = "test", .last_probe = probed});
  }
  std::size_t Unprobed() { return CountUnprobed(registry_.List("", std::nullopt, 100)->servers); }

  proxy::Registry registry_{{"default"}, nullptr};
};

TEST_F(FirstProbesTest, AServerHasHadItsProbeWhateverThatFound) {
  EXPECT_EQ(Unprobed(), 0U);
  const std::string up = Add("up");
  const std::string down = Add("down");
  const std::string nameless = Add("nameless");
  EXPECT_EQ(Unprobed(), 3U);
  Report(up, ServerState::kActive, proxy::WallClock::now());
  EXPECT_EQ(Unprobed(), 2U);
  Report(down, ServerState::kWarming, proxy::WallClock::now());
  EXPECT_EQ(Unprobed(), 1U) << "one failure of `fall`";
  Report(nameless, ServerState::kWarming, std::nullopt);
  EXPECT_EQ(Unprobed(), 1U) << "only its name was looked up";
}

TEST_F(FirstProbesTest, ItIsOverOnceEachHasBeenProbed) {
  proxy::net::Loop loop;
  const std::string uid = Add("a");
  std::optional<std::size_t> left;
  FirstProbes probes(loop, registry_, [&](std::size_t unprobed) {
    left = unprobed;
    loop.Close();
  });
  probes.Start();
  EXPECT_FALSE(left);
  loop.Post([&] { Report(uid, ServerState::kWarming, proxy::WallClock::now()); });
  loop.Run();
  EXPECT_EQ(left, 0U);
}

TEST_F(FirstProbesTest, AfterStopNothingIsSaid) {
  proxy::net::Loop loop;
  const std::string uid = Add("a");
  bool said = false;
  FirstProbes probes(loop, registry_, [&](std::size_t) { said = true; });
  probes.Start();
  loop.Post([&] {
    probes.Stop();
    Report(uid, ServerState::kActive, proxy::WallClock::now());
    loop.Close();
  });
  loop.Run();
  EXPECT_FALSE(said);
}

}  // namespace
}  // namespace remora::server
