#include "proxy/balance/least_active.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/support/pool.h"

namespace remora::proxy {
namespace {

using ::testing::ElementsAre;
using testing::TestPool;

class LeastActiveTest : public ::testing::Test {
 protected:
  std::string PickId(const TestPool& pool, std::vector<ActiveRequest>* hold = nullptr) {
    auto picked = balance_.Pick(pool.set(), {});
    if (!picked) return std::string(Describe(picked.error().kind).reason);
    std::string id = picked->backend()->id();
    if (hold != nullptr) hold->push_back(std::move(*picked));
    return id;
  }
  static void Load(Backend& backend, int requests, std::vector<ActiveRequest>& hold) {
    for (int i = 0; i < requests; ++i) {
      ASSERT_TRUE(backend.admission().TryAdmit(backend.admission().Load()));
      hold.emplace_back(backend);
    }
  }

  testing::RecordingEvents events_;
  LeastActive balance_;
};

TEST_F(LeastActiveTest, ThePickIsCountedAtOnce) {
  TestPool pool(events_, {1, 1});
  std::vector<ActiveRequest> hold;
  PickId(pool, &hold);
  EXPECT_THAT(pool.actives(), ElementsAre(1, 0));
  hold.clear();
  EXPECT_THAT(pool.actives(), ElementsAre(0, 0));
}

TEST_F(LeastActiveTest, TheLeastLoadedIsPicked) {
  TestPool pool(events_, {1, 1, 1});
  std::vector<ActiveRequest> hold;
  Load(pool.at(0), 3, hold);
  Load(pool.at(1), 1, hold);
  Load(pool.at(2), 2, hold);
  EXPECT_EQ(PickId(pool), "s1");
  EXPECT_EQ(PickId(pool), "s1") << "it is the least loaded wherever the scan starts";
}

TEST_F(LeastActiveTest, LoadIsRelativeToTheWeight) {
  TestPool pool(events_, {1, 10});
  std::vector<ActiveRequest> hold;
  Load(pool.at(1), 8, hold);
  EXPECT_EQ(PickId(pool), "s1") << "9/10 is less than 1/1";
  Load(pool.at(1), 2, hold);
  EXPECT_EQ(PickId(pool), "s0") << "1/1 is less than 11/10";
}

// Divided as floats, 100000001/1000 and 100001/1 differ in the last place only or not at all.
TEST_F(LeastActiveTest, LoadsAreComparedWithoutRounding) {
  TestPool pool(events_, {3, 7});
  std::vector<ActiveRequest> hold;
  for (int n = 0; n < 500; ++n) {
    const std::uint64_t a = pool.active(0) + 1;
    const std::uint64_t b = pool.active(1) + 1;
    const std::string id = PickId(pool, &hold);
    if (a * 7 != b * 3) EXPECT_EQ(id, a * 7 < b * 3 ? "s0" : "s1") << a << "/3 " << b << "/7";
  }
}

TEST_F(LeastActiveTest, EqualLoadsTakeTurns) {
  TestPool pool(events_, {1, 1, 1});
  std::map<std::string, int> picks;
  for (int i = 0; i < 300; ++i) ++picks[PickId(pool)];
  EXPECT_EQ(picks["s0"], 100);
  EXPECT_EQ(picks["s1"], 100);
  EXPECT_EQ(picks["s2"], 100);
}

// A scan that started one further each time, rather than behind the last winner, would give the
// neighbour of the busy server twice the share of the other.
TEST_F(LeastActiveTest, TheOthersShareEquallyWhileOneIsBusyWhicheverItIs) {
  for (std::size_t busy = 0; busy < 3; ++busy) {
    TestPool pool(events_, {1, 1, 1});
    std::vector<ActiveRequest> hold;
    Load(pool.at(busy), 5, hold);
    std::map<std::string, int> picks;
    for (int i = 0; i < 300; ++i) ++picks[PickId(pool)];
    EXPECT_EQ(picks.size(), 2u);
    for (const auto& [id, count] : picks) EXPECT_EQ(count, 150) << id;
  }
}

TEST_F(LeastActiveTest, IdleServersOfDifferentWeightGoByWeight) {
  TestPool pool(events_, {1, 5, 2});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(PickId(pool), "s1");
}

TEST_F(LeastActiveTest, AnExcludedServerIsPassedOverThoughItIsIdle) {
  TestPool pool(events_, {1, 1, 1});
  std::vector<ActiveRequest> hold;
  Load(pool.at(1), 4, hold);
  const std::array<const Backend*, 2> excluded = {&pool.at(0), &pool.at(2)};
  for (int i = 0; i < 4; ++i) {
    const auto picked = balance_.Pick(pool.set(), excluded);
    ASSERT_TRUE(picked.has_value());
    EXPECT_EQ(picked->backend()->id(), "s1");
  }
}

TEST_F(LeastActiveTest, MaxActiveIsReachedAndNotPassed) {
  TestPool pool(events_);
  pool.Add(1, 2);
  pool.Add(1, 3);
  std::vector<ActiveRequest> hold;
  for (int i = 0; i < 5; ++i) EXPECT_NE(PickId(pool, &hold), "queue_full");
  EXPECT_THAT(pool.actives(), ElementsAre(2, 3));
  EXPECT_EQ(PickId(pool), "queue_full");
  hold.pop_back();
  EXPECT_NE(PickId(pool), "queue_full") << "room for one again";
}

TEST_F(LeastActiveTest, AServerAtItsLimitLeavesTheRestToTheOthers) {
  TestPool pool(events_);
  pool.Add(1000, 1);
  pool.Add(1);
  std::vector<ActiveRequest> hold;
  for (int i = 0; i < 10; ++i) PickId(pool, &hold);
  EXPECT_THAT(pool.actives(), ElementsAre(1, 9));
}

TEST_F(LeastActiveTest, EachReasonForNoPickIsToldApart) {
  const TestPool empty(events_);
  EXPECT_EQ(PickId(empty), "no_servers");
  BackendSet sick;
  sick.total = 2;
  const auto none = balance_.Pick(sick, {});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().kind, ErrorKind::kNoHealthyServer);
  EXPECT_EQ(none.error().sent, Sent::kNothing);
  TestPool closed(events_, {1, 1});
  closed.at(0).admission().Close();
  closed.at(1).admission().Close();
  EXPECT_EQ(PickId(closed), "no_healthy_server");
}

TEST_F(LeastActiveTest, FullAndExcludedTogetherIsFull) {
  TestPool pool(events_);
  pool.Add(1, 1);
  pool.Add(1);
  std::vector<ActiveRequest> hold;
  Load(pool.at(0), 1, hold);
  const std::array<const Backend*, 1> excluded = {&pool.at(1)};
  const auto picked = balance_.Pick(pool.set(), excluded);
  ASSERT_FALSE(picked.has_value());
  EXPECT_EQ(picked.error().kind, ErrorKind::kQueueFull);
}

TEST_F(LeastActiveTest, AllExcludedIsNoHealthyServer) {
  TestPool pool(events_, {1});
  const std::array<const Backend*, 1> excluded = {&pool.at(0)};
  const auto picked = balance_.Pick(pool.set(), excluded);
  ASSERT_FALSE(picked.has_value());
  EXPECT_EQ(picked.error().kind, ErrorKind::kNoHealthyServer);
}

TEST_F(LeastActiveTest, AClosedServerInASnapshotIsPassedOver) {
  TestPool pool(events_, {1, 1});
  pool.at(0).admission().Close();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(PickId(pool), "s1");
}

TEST_F(LeastActiveTest, ASetThatShrankBelowTheRotationIsScannedWhole) {
  const TestPool large(events_, {1, 1, 1, 1, 1});
  for (int i = 0; i < 4; ++i) PickId(large);
  const TestPool small(events_, {1, 1});
  EXPECT_EQ(PickId(small), "s0");
  EXPECT_EQ(PickId(small), "s1");
}

class LargeSetTest : public LeastActiveTest {
 protected:
  static constexpr std::size_t kWindow = LeastActive::kWindow;
  static constexpr std::size_t kTurns = LeastActive::kTurns;
  static constexpr std::size_t kCount = 6 * kWindow + 4;

  std::map<std::string, std::size_t> Count(std::size_t picks) {
    std::map<std::string, std::size_t> counts;
    for (std::size_t i = 0; i < picks; ++i) ++counts[PickId(pool_)];
    return counts;
  }
  static std::string Id(std::size_t index) { return "s" + std::to_string(index); }

  TestPool pool_{events_, std::vector<std::uint32_t>(kCount, 1)};
};

TEST_F(LargeSetTest, AFewTakeTurnsAndThenTheNextFew) {
  for (std::size_t first = 0; first < kCount - kWindow; first += kWindow) {
    const auto counts = Count(kWindow * kTurns);
    EXPECT_EQ(counts.size(), kWindow);
    for (std::size_t i = first; i < first + kWindow; ++i) {
      const auto found = counts.find(Id(i));
      ASSERT_NE(found, counts.end()) << Id(i);
      EXPECT_EQ(found->second, kTurns) << Id(i);
    }
  }
}

TEST_F(LargeSetTest, InTheEndEachHasHadTheSameShare) {
  const auto counts = Count(kCount * kWindow * kTurns);  // the windows come round and fall together
  EXPECT_EQ(counts.size(), kCount);
  for (const auto& [id, count] : counts) EXPECT_EQ(count, kWindow * kTurns) << id;
}

// As many requests at once as make the window grow, each of which ends after some others began.
TEST_F(LargeSetTest, RequestsThatTakeTimeAreSharedEquallyToo) {
  constexpr std::size_t kAtOnce = 3 * kWindow;
  constexpr std::size_t kShare = 40 * kTurns;
  std::deque<ActiveRequest> running;
  std::map<std::string, std::size_t> counts;
  for (std::size_t i = 0; i < kCount * kShare; ++i) {
    auto picked = balance_.Pick(pool_.set(), {});
    ASSERT_TRUE(picked);
    EXPECT_EQ(picked->backend()->admission().Load().active(), 1u) << "there are idle ones";
    ++counts[picked->backend()->id()];
    running.push_back(std::move(*picked));
    if (running.size() == kAtOnce) running.pop_front();
  }
  EXPECT_EQ(counts.size(), kCount);
  for (const auto& [id, count] : counts) {
    EXPECT_NEAR(static_cast<double>(count), kShare, 0.1 * kShare) << id;
  }
}

// Long polls and tunnels: those that have one get nothing, and what windows there are between them
// must not become the place of all other requests.
TEST_F(LargeSetTest, RequestsThatNeverEndLeaveTheOthersTheirEqualShare) {
  for (const std::size_t held : {kWindow, kCount / 2, kCount - 3}) {
    std::vector<ActiveRequest> hold;
    for (std::size_t i = 0; i < held; ++i) {
      auto picked = balance_.Pick(pool_.set(), {});
      ASSERT_TRUE(picked);
      hold.push_back(std::move(*picked));
    }
    const std::size_t idle = kCount - held;
    const std::size_t share = 20 * kTurns;
    const auto counts = Count(idle * share);
    EXPECT_EQ(counts.size(), idle);
    for (const auto& [id, count] : counts) {
      EXPECT_NEAR(static_cast<double>(count), static_cast<double>(share), kTurns + 0.1 * share)
          << id << " with " << held << " held";
    }
  }
}

TEST_F(LargeSetTest, NobodyHasMoreThanItsTurnsBeforeTheOthersHaveHadSome) {
  std::mt19937 random(20261129);
  std::vector<ActiveRequest> running;
  std::map<std::string, std::size_t> counts;
  for (std::size_t i = 0; i < kTurns * kWindow; ++i) {
    auto picked = balance_.Pick(pool_.set(), {});
    ASSERT_TRUE(picked);
    ++counts[picked->backend()->id()];
    running.push_back(std::move(*picked));
    while (!running.empty() && random() % 8 != 0) {
      std::swap(running[random() % running.size()], running.back());
      running.pop_back();
    }
  }
  for (const auto& [id, count] : counts) EXPECT_LE(count, kTurns) << id;
}

TEST_F(LargeSetTest, TheHeaviestComeFirstWhereverTheWindowIs) {
  TestPool pool(events_);
  for (std::size_t i = 0; i < kCount; ++i) pool.Add(i % 10 == 7 ? 3 : 1);
  for (int i = 0; i < 1000; ++i) {
    auto picked = balance_.Pick(pool.set(), {});
    ASSERT_TRUE(picked);
    const std::string& id = picked->backend()->id();
    EXPECT_EQ(id.back(), '7') << id;
  }
}

TEST_F(LargeSetTest, ExcludedOnesArePassedOver) {
  std::vector<const Backend*> excluded;
  for (std::size_t i = 0; i < kCount; i += 2) excluded.push_back(&pool_.at(i));
  for (std::size_t i = 0; i < 3 * kCount * kTurns; ++i) {
    const auto picked = balance_.Pick(pool_.set(), excluded);
    ASSERT_TRUE(picked);
    ASSERT_EQ(std::ranges::find(excluded, picked->backend()), excluded.end());
  }
}

TEST_F(LargeSetTest, TheSeedSaysWhereItBegins) {
  for (const std::size_t seed : {std::size_t{5}, 3 * kCount + 70, SIZE_MAX}) {
    balance_ = LeastActive(seed);
    EXPECT_EQ(PickId(pool_), Id(seed % kCount));
    balance_ = LeastActive(seed);
    EXPECT_EQ(PickId(TestPool(events_, {1, 1})), "s0") << "a small set has one begin";
  }
}

TEST_F(LargeSetTest, ASetThatShrinksAndGrowsIsScannedWholeAndSharedEqually) {
  constexpr std::size_t kSmall = LeastActive::kSmallSet;
  {
    std::vector<ActiveRequest> hold;  // the window becomes as large as the set
    for (std::size_t i = 0; i < kCount; ++i) PickId(pool_, &hold);
  }
  Count(kCount * kTurns + 50);  // and another
  for (const std::size_t count : {kSmall + 1, kSmall, kSmall + 1, std::size_t{2}, kSmall + 2}) {
    const TestPool pool(events_, std::vector<std::uint32_t>(count, 1));
    std::map<std::string, std::size_t> counts;
    const std::size_t share = 4 * kWindow * kTurns;
    for (std::size_t i = 0; i < count * share; ++i) ++counts[PickId(pool)];
    EXPECT_EQ(counts.size(), count);
    for (const auto& [id, picks] : counts) {
      EXPECT_NEAR(static_cast<double>(picks), static_cast<double>(share), 2.0 * kTurns) << id;
    }
  }
}

// Against a reference that looks at every server: random loads, weights and limits.
TEST_F(LeastActiveTest, NoServerIsEverLessLoadedThanThePick) {
  std::mt19937 random(20240607);
  for (int round = 0; round < 2000; ++round) {
    TestPool pool(events_);
    std::vector<ActiveRequest> hold;
    const std::size_t count = round % 20 == 0 ? 60 + random() % 200 : 1 + random() % 6;
    for (std::size_t i = 0; i < count; ++i) {
      Backend& backend = pool.Add(1 + random() % 10, random() % 3 == 0 ? 1 + random() % 4 : 0);
      const std::uint32_t limit = pool.set().eligible[i].max_active;
      const std::uint32_t load = static_cast<std::uint32_t>(random() % 12);
      Load(backend, static_cast<int>(limit == 0 ? load : std::min(load, limit)), hold);
    }
    const std::vector<std::uint32_t> before = pool.actives();
    const auto picked = balance_.Pick(pool.set(), {});
    const auto open = [&](std::size_t i) {
      const std::uint32_t limit = pool.set().eligible[i].max_active;
      return limit == 0 || before[i] < limit;
    };
    if (!picked) {
      for (std::size_t i = 0; i < count; ++i) EXPECT_FALSE(open(i));
      continue;
    }
    std::size_t winner = 0;
    while (&pool.at(winner) != picked->backend()) ++winner;
    ASSERT_TRUE(open(winner));
    for (std::size_t i = 0; i < count; ++i) {
      if (!open(i)) continue;
      EXPECT_LE((before[winner] + 1) * pool.set().eligible[i].weight,
                (before[i] + 1) * pool.set().eligible[winner].weight);
    }
  }
}

}  // namespace
}  // namespace remora::proxy
