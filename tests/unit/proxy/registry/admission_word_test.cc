#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "proxy/registry/backend.h"

namespace remora::proxy {
namespace {

TEST(AdmissionWordTest, StartsOpenAndIdle) {
  const AdmissionWord word;
  EXPECT_FALSE(word.Load().closed());
  EXPECT_EQ(word.Load().active(), 0u);
}

TEST(AdmissionWordTest, CountsWhatIsAdmittedAndWhatEnds) {
  AdmissionWord word;
  ASSERT_TRUE(word.TryAdmit(word.Load()));
  ASSERT_TRUE(word.TryAdmit(word.Load()));
  EXPECT_EQ(word.Load().active(), 2u);
  EXPECT_FALSE(word.Release());
  EXPECT_FALSE(word.Release());
  EXPECT_EQ(word.Load().active(), 0u);
}

TEST(AdmissionWordTest, ALoadThatHasMovedIsNotAdmitted) {
  AdmissionWord word;
  const AdmissionWord::Seen idle = word.Load();
  ASSERT_TRUE(word.TryAdmit(idle));
  EXPECT_FALSE(word.TryAdmit(idle));
  EXPECT_EQ(word.Load().active(), 1u);
}

TEST(AdmissionWordTest, NothingIsAdmittedAfterClose) {
  AdmissionWord word;
  const AdmissionWord::Seen before = word.Load();
  EXPECT_EQ(word.Close(), 0u);
  EXPECT_FALSE(word.TryAdmit(before));
  EXPECT_TRUE(word.Load().closed());
  EXPECT_EQ(word.Load().active(), 0u);
}

TEST(AdmissionWordTest, CloseTellsHowManyRun) {
  AdmissionWord word;
  ASSERT_TRUE(word.TryAdmit(word.Load()));
  ASSERT_TRUE(word.TryAdmit(word.Load()));
  EXPECT_EQ(word.Close(), 2u);
  EXPECT_EQ(word.Close(), 2u) << "closing twice changes nothing";
}

TEST(AdmissionWordTest, OnlyTheLastReleaseUnderCloseSaysSo) {
  AdmissionWord word;
  ASSERT_TRUE(word.TryAdmit(word.Load()));
  ASSERT_TRUE(word.TryAdmit(word.Load()));
  word.Close();
  EXPECT_FALSE(word.Release());
  EXPECT_TRUE(word.Release());
}

TEST(AdmissionWordTest, HasACacheLineOfItsOwn) {
  EXPECT_EQ(alignof(AdmissionWord), 64u);
  EXPECT_EQ(sizeof(AdmissionWord), 64u);
}

// Threads admit and release as fast as they can; one closes in the middle of it.
TEST(AdmissionWordTest, CloseIsLinearizableAndExactlyOneReleaseDrains) {
  constexpr int kRounds = 400;
  constexpr int kThreads = 3;
  for (int round = 0; round < kRounds; ++round) {
    AdmissionWord word;
    std::atomic<bool> closed = false;
    std::atomic<int> admitted_after_close = 0;
    std::atomic<int> drained = 0;
    std::barrier start(kThreads + 1);
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        for (;;) {
          // Read before the try: true means that Close had returned when the try began.
          const bool was_closed = closed.load();
          const AdmissionWord::Seen seen = word.Load();
          if (seen.closed()) return;
          if (!word.TryAdmit(seen)) continue;
          if (was_closed) ++admitted_after_close;
          if (word.Release()) ++drained;
        }
      });
    }
    start.arrive_and_wait();
    const std::uint32_t running = word.Close();
    closed = true;
    threads.clear();
    EXPECT_EQ(admitted_after_close, 0);
    EXPECT_EQ(drained, running == 0 ? 0 : 1) << running << " ran when it was closed";
    EXPECT_EQ(word.Load().active(), 0u);
  }
}

// A thread that saw the word before the close and tries after it: the case a snapshot held for long
// leads to.
TEST(AdmissionWordTest, AStaleLoadIsRefusedHoweverOldItIs) {
  for (std::uint32_t running = 0; running < 5; ++running) {
    AdmissionWord word;
    for (std::uint32_t i = 0; i < running; ++i) ASSERT_TRUE(word.TryAdmit(word.Load()));
    const AdmissionWord::Seen stale = word.Load();
    std::jthread([&] { word.Close(); }).join();
    EXPECT_FALSE(word.TryAdmit(stale));
    EXPECT_EQ(word.Load().active(), running);
  }
}

TEST(AdmissionWordTest, ALimitCheckedOnTheLoadIsNeverPassed) {
  constexpr std::uint32_t kLimit = 3;
  constexpr int kThreads = 4;
  AdmissionWord word;
  std::atomic<std::uint32_t> running = 0;
  std::atomic<std::uint32_t> most = 0;
  std::barrier start(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        for (int i = 0; i < 20'000; ++i) {
          const AdmissionWord::Seen seen = word.Load();
          if (seen.active() >= kLimit || !word.TryAdmit(seen)) continue;
          const std::uint32_t now = ++running;
          std::uint32_t known = most;
          while (known < now && !most.compare_exchange_weak(known, now)) {
          }
          --running;
          word.Release();
        }
      });
    }
  }
  EXPECT_LE(most, kLimit);
  EXPECT_GE(most, 1u);
  EXPECT_EQ(word.Load().active(), 0u);
}

}  // namespace
}  // namespace remora::proxy
