// Least active is exact, for any number of workers: held answers show where requests went.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proxy/balance/least_active.h"
#include "tests/support/fake_backend.h"
#include "tests/support/running_proxy.h"

namespace remora::proxy {
namespace {

using std::chrono::milliseconds;
using testing::Eventually;
using testing::FakeBackend;
using testing::Message;
using testing::Peer;
using testing::ReadEnd;
using testing::RunningProxy;
using ::testing::StartsWith;
using testing::TestSettings;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

using Backends = std::vector<std::unique_ptr<FakeBackend>>;

Backends MakeHolding(std::size_t count) {
  Backends backends;
  for (std::size_t i = 0; i < count; ++i) {
    backends.push_back(
        std::make_unique<FakeBackend>(FakeBackend::Hold(FakeBackend::Always(FakeBackend::Ok()))));
  }
  return backends;
}

std::size_t RequestsIn(const Backends& backends) {
  std::size_t sum = 0;
  for (const auto& backend : backends) sum += backend->request_count();
  return sum;
}

// `count` clients, each with one request under way.
std::vector<Peer> Ask(const RunningProxy& proxy, std::size_t count) {
  std::vector<Peer> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(proxy.Connect());
    EXPECT_TRUE(clients.back().Send(kGet));
  }
  return clients;
}

// Lets the answers go; all of them must come, and then nothing runs any more.
void ReleaseAll(RunningProxy& proxy, const Backends& backends, std::vector<Peer>& clients) {
  for (const auto& backend : backends) backend->Release();
  for (Peer& client : clients) EXPECT_EQ(client.ReadResponse().status(), 200u);
  EXPECT_TRUE(proxy.WaitForIdle());
}

// Where `count` requests of which none ends must go: each to the least (active + 1) / weight, as
// integers. Where several are equal, any of them may get it, so only full rounds are unique.
std::vector<std::size_t> Expected(const std::vector<std::uint32_t>& weights, std::size_t count) {
  std::vector<std::size_t> active(weights.size());
  for (; count > 0; --count) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < weights.size(); ++i) {
      if ((active[i] + 1) * weights[best] < (active[best] + 1) * weights[i]) best = i;
    }
    ++active[best];
  }
  return active;
}

class BalanceTest : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  RunningProxy proxy_{TestSettings(GetParam())};
};

TEST_P(BalanceTest, EqualWeightsAreNeverMoreThanOneApart) {
  const Backends backends = MakeHolding(3);
  for (std::size_t i = 0; i < 3; ++i) proxy_.AddActive("s" + std::to_string(i), *backends[i]);
  std::vector<Peer> clients;
  for (const std::size_t more : {1uz, 1uz, 5uz, 20uz, 33uz}) {
    for (Peer& client : Ask(proxy_, more)) clients.push_back(std::move(client));
    ASSERT_TRUE(Eventually([&] { return RequestsIn(backends) == clients.size(); }));
    std::vector<std::uint32_t> active;
    for (int i = 0; i < 3; ++i) active.push_back(proxy_.Active("s" + std::to_string(i)));
    const auto [least, most] = std::ranges::minmax(active);
    EXPECT_LE(most - least, 1u) << clients.size();
    EXPECT_EQ(proxy_.ActiveInAll(), clients.size());
  }
  ReleaseAll(proxy_, backends, clients);
}

// More than LeastActive::kSmallSet servers, all at one address, each with a path of its own.
constexpr std::size_t kMany = 80;

void AddMany(RunningProxy& proxy, const FakeBackend& backend) {
  for (std::size_t i = 0; i < kMany; ++i) {
    const std::string id = "s" + std::to_string(i);
    proxy.AddActive(id, backend.url() + "/" + id, {});
  }
}

TEST_P(BalanceTest, EqualWeightsOfALargePoolAreNeverMoreThanOneApart) {
  FakeBackend backend(FakeBackend::Hold(FakeBackend::Always(FakeBackend::Ok())));
  AddMany(proxy_, backend);
  std::vector<Peer> clients;
  for (const std::size_t more : {10uz, 30uz, 40uz, 100uz}) {
    for (Peer& client : Ask(proxy_, more)) clients.push_back(std::move(client));
    ASSERT_TRUE(backend.WaitForRequests(clients.size()));
    std::vector<std::uint32_t> active;
    for (std::size_t i = 0; i < kMany; ++i) {
      active.push_back(proxy_.Active("s" + std::to_string(i)));
    }
    const auto [least, most] = std::ranges::minmax(active);
    EXPECT_LE(most - least, 1u) << clients.size();
  }
  backend.Release();
  for (Peer& client : clients) EXPECT_EQ(client.ReadResponse().status(), 200u);
  EXPECT_TRUE(proxy_.WaitForIdle());
}

TEST_P(BalanceTest, WeightsAreKeptToTheRequest) {
  const std::vector<std::uint32_t> weights{1, 2, 5};
  const Backends backends = MakeHolding(3);
  for (std::size_t i = 0; i < 3; ++i) {
    proxy_.AddActive("s" + std::to_string(i), *backends[i],
                     {.weight = weights[i], .max_active = 0});
  }
  std::vector<Peer> clients;
  for (int round = 1; round <= 5; ++round) {
    for (Peer& client : Ask(proxy_, 8)) clients.push_back(std::move(client));
    ASSERT_TRUE(Eventually([&] { return RequestsIn(backends) == clients.size(); }));
    const auto expected = Expected(weights, clients.size());
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(proxy_.Active("s" + std::to_string(i)), expected[i]) << i << " of " << round;
    }
  }
  ReleaseAll(proxy_, backends, clients);
}

TEST_P(BalanceTest, MaxActiveIsNeverExceededAndWhatIsTooMuchIs503) {
  const Backends backends = MakeHolding(2);
  proxy_.AddActive("s0", *backends[0], {.weight = 1, .max_active = 3});
  proxy_.AddActive("s1", *backends[1], {.weight = 5, .max_active = 4});
  std::vector<Peer> clients = Ask(proxy_, 20);
  // 7 get in; the others are told at once.
  std::vector<Peer> held;
  std::size_t refused = 0;
  ASSERT_TRUE(Eventually([&] {
    for (Peer& client : clients) {
      if (client.fd() < 0 || client.ReadMore(milliseconds(0)) != ReadEnd::kBytes) continue;
      const Message answer = client.ReadResponse();
      EXPECT_EQ(answer.status(), 503u);
      EXPECT_THAT(answer.body, StartsWith("{\"reason\":\"queue_full\""));
      client.Close();
      ++refused;
    }
    return refused == 13 && RequestsIn(backends) == 7;
  }));
  EXPECT_EQ(proxy_.Active("s0"), 3u);
  EXPECT_EQ(proxy_.Active("s1"), 4u);
  for (Peer& client : clients) {
    if (client.fd() >= 0) held.push_back(std::move(client));
  }
  ASSERT_EQ(held.size(), 7u);
  ReleaseAll(proxy_, backends, held);
}

TEST_P(BalanceTest, UnderLoadMaxActiveHoldsAtEachMomentAndNothingIsLeftOver) {
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  FakeBackend backend(FakeBackend::Serve([&](const Message&) {
    const int now = ++running;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    --running;
    return FakeBackend::Ok();
  }));
  proxy_.AddActive("s0", backend, {.weight = 1, .max_active = 2});
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      Peer client = proxy_.Connect();
      for (int n = 0; n < 50; ++n) {
        client.Send(kGet);
        const unsigned status = client.ReadResponse().status();
        EXPECT_TRUE(status == 200 || status == 503) << status;
        if (status == 200) ++answered;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(answered, 0);
  EXPECT_LE(most, 2);
  EXPECT_TRUE(proxy_.WaitForIdle());
}

// What LeastActive says of large sets, seen from behind the proxy.
TEST(LargePoolTest, AFewServersAtATimeHaveTheRequestsAndInTheEndAllHaveTheSame) {
  RunningProxy proxy(TestSettings(/*workers=*/1));
  FakeBackend backend(FakeBackend::Serve(FakeBackend::Always(FakeBackend::Ok())));
  AddMany(proxy, backend);
  constexpr std::size_t kOfAWindow = LeastActive::kWindow * LeastActive::kTurns;
  static_assert(kMany % LeastActive::kWindow == 0);
  Peer client = proxy.Connect();
  for (std::size_t i = 0; i < kOfAWindow * (kMany / LeastActive::kWindow); ++i) {
    ASSERT_TRUE(client.Send(kGet));
    ASSERT_EQ(client.ReadResponse().status(), 200u);
  }
  std::map<std::string, std::size_t> requests;  // by the path of their server
  std::size_t after_a_window = 0;
  std::size_t seen = 0;
  for (const Message& request : backend.requests()) {
    ++requests[request.start];
    if (++seen == kOfAWindow) after_a_window = requests.size();
  }
  EXPECT_EQ(after_a_window, LeastActive::kWindow);
  EXPECT_EQ(requests.size(), kMany);
  for (const auto& [start, count] : requests) EXPECT_EQ(count, LeastActive::kTurns) << start;
}

INSTANTIATE_TEST_SUITE_P(Workers, BalanceTest, ::testing::Values(1, 2, 4));

}  // namespace
}  // namespace remora::proxy
