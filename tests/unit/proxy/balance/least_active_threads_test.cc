// LeastActive on several workers at once: the promises of the admission word, counted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/balance/least_active.h"
#include "tests/support/pool.h"

namespace remora::proxy {
namespace {

using testing::RecordingEvents;
using testing::TestPool;
using Load = std::pair<std::uint64_t, std::uint64_t>;  // (active + 1, weight)

bool LessLoad(const Load& a, const Load& b) { return a.first * b.second < b.first * a.second; }

// `total` picks on `threads` workers, all held, so that nothing finishes meanwhile.
std::vector<ActiveRequest> PickAtOnce(const TestPool& pool, int total, int threads) {
  std::vector<std::vector<ActiveRequest>> held(static_cast<std::size_t>(threads));
  std::barrier start(threads);
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        LeastActive balance;
        start.arrive_and_wait();
        for (int i = t; i < total; i += threads) {
          auto picked = balance.Pick(pool.set(), {});
          if (picked) held[static_cast<std::size_t>(t)].push_back(std::move(*picked));
        }
      });
    }
  }
  std::vector<ActiveRequest> all;
  for (auto& part : held) std::ranges::move(part, std::back_inserter(all));
  return all;
}

// The loads that a greedy choice takes one after the other: the `total` least of all k/weight. Ties
// may fall either way, the values taken may not.
std::vector<Load> ReferenceLoads(const std::vector<std::uint32_t>& weights, int total) {
  std::vector<std::uint64_t> active(weights.size());
  std::vector<Load> taken;
  for (int i = 0; i < total; ++i) {
    std::size_t best = 0;
    for (std::size_t s = 1; s < weights.size(); ++s) {
      if (LessLoad({active[s] + 1, weights[s]}, {active[best] + 1, weights[best]})) best = s;
    }
    taken.emplace_back(++active[best], weights[best]);
  }
  return taken;
}

// The loads that `pool` has taken to get where it is.
std::vector<Load> TakenLoads(const TestPool& pool) {
  std::vector<Load> taken;
  for (const Candidate& candidate : pool.set().eligible) {
    const std::uint32_t active = candidate.backend->admission().Load().active();
    for (std::uint64_t k = 1; k <= active; ++k) taken.emplace_back(k, candidate.weight);
  }
  std::ranges::sort(taken, LessLoad);
  return taken;
}

void ExpectExact(const TestPool& pool, const std::vector<std::uint32_t>& weights, int total) {
  const std::vector<Load> taken = TakenLoads(pool);
  const std::vector<Load> reference = ReferenceLoads(weights, total);
  ASSERT_EQ(taken.size(), reference.size());
  for (std::size_t i = 0; i < taken.size(); ++i) {
    ASSERT_EQ(taken[i].first * reference[i].second, reference[i].first * taken[i].second)
        << "pick " << i << " of " << total << " took " << taken[i].first << "/" << taken[i].second
        << " instead of " << reference[i].first << "/" << reference[i].second;
  }
}

class LeastActiveThreadsTest : public ::testing::TestWithParam<int> {
 protected:
  RecordingEvents events_;
};

TEST_P(LeastActiveThreadsTest, HeldRequestsLeaveEqualServersAtMostOneApart) {
  for (int n = 1; n <= 1000; ++n) {
    const TestPool pool(events_, {1, 1, 1});
    const auto held = PickAtOnce(pool, n, GetParam());
    ASSERT_EQ(held.size(), static_cast<std::size_t>(n));
    const auto actives = pool.actives();
    const auto [least, most] = std::ranges::minmax(actives);
    ASSERT_LE(most - least, 1u) << n << " requests";
    ASSERT_EQ(actives[0] + actives[1] + actives[2], static_cast<std::uint32_t>(n));
  }
}

TEST_P(LeastActiveThreadsTest, WeightsAreHeldToTheIntegerFormula) {
  const std::vector<std::uint32_t> weights = {1, 2, 5};
  for (int n = 1; n <= 1000; n += n < 50 ? 1 : 7) {
    const TestPool pool(events_, weights);
    const auto held = PickAtOnce(pool, n, GetParam());
    ASSERT_EQ(held.size(), static_cast<std::size_t>(n));
    ASSERT_NO_FATAL_FAILURE(ExpectExact(pool, weights, n));
  }
}

TEST_P(LeastActiveThreadsTest, OddWeightsAreHeldToTheIntegerFormulaToo) {
  const std::vector<std::uint32_t> weights = {3, 1000, 7, 1, 999};
  for (const int n : {1, 10, 100, 1000, 4321}) {
    const TestPool pool(events_, weights);
    const auto held = PickAtOnce(pool, n, GetParam());
    ASSERT_NO_FATAL_FAILURE(ExpectExact(pool, weights, n));
  }
}

TEST_P(LeastActiveThreadsTest, MaxActiveIsFilledExactlyAndNeverPassed) {
  for (int round = 0; round < 50; ++round) {
    TestPool pool(events_);
    pool.Add(1, 10);
    pool.Add(5, 7);
    pool.Add(2, 1);
    const auto held = PickAtOnce(pool, 100, GetParam());
    EXPECT_EQ(held.size(), 18u) << "the rest was told that all are full";
    EXPECT_EQ(pool.actives(), (std::vector<std::uint32_t>{10, 7, 1}));
  }
}

TEST_P(LeastActiveThreadsTest, CountersAreZeroAgainWhenAllHasEnded) {
  const TestPool pool(events_, {1, 2, 5});
  const int threads = GetParam();
  std::barrier start(threads);
  std::vector<std::jthread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      LeastActive balance;
      std::vector<ActiveRequest> held(8);
      start.arrive_and_wait();
      for (std::size_t i = 0; i < 20'000; ++i) {
        auto picked = balance.Pick(pool.set(), {});
        ASSERT_TRUE(picked.has_value());
        held[i % held.size()] = std::move(*picked);
      }
    });
  }
  workers.clear();
  EXPECT_EQ(pool.actives(), (std::vector<std::uint32_t>{0, 0, 0}));
}

// Limits stay limits while requests come and go.
TEST_P(LeastActiveThreadsTest, MaxActiveHoldsUnderChurn) {
  constexpr std::uint32_t kLimit = 2;
  TestPool pool(events_);
  pool.Add(1, kLimit);
  pool.Add(1, kLimit);
  std::array<std::atomic<std::uint32_t>, 2> running{};
  std::atomic<bool> passed = false;
  const int threads = GetParam();
  std::barrier start(threads);
  std::vector<std::jthread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      LeastActive balance;
      start.arrive_and_wait();
      for (int i = 0; i < 20'000; ++i) {
        auto first = balance.Pick(pool.set(), {});
        auto second = balance.Pick(pool.set(), {});
        for (auto* picked : {&first, &second}) {
          if (!*picked) continue;
          auto& count = running[(*picked)->backend() == &pool.at(0) ? 0 : 1];
          if (++count > kLimit) passed = true;
        }
        for (auto* picked : {&first, &second}) {
          if (!*picked) continue;
          --running[(*picked)->backend() == &pool.at(0) ? 0 : 1];
          (*picked)->Reset();
        }
      }
    });
  }
  workers.clear();
  EXPECT_FALSE(passed);
  EXPECT_EQ(pool.actives(), (std::vector<std::uint32_t>{0, 0}));
}

INSTANTIATE_TEST_SUITE_P(Workers, LeastActiveThreadsTest, ::testing::Values(1, 2, 4),
                         [](const auto& test) { return std::to_string(test.param); });

}  // namespace
}  // namespace remora::proxy
