#include "proxy/net/buffer_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "proxy/net/heap_use.h"

namespace remora::proxy::net {
namespace {

TEST(BufferPoolTest, ALeaseHasAtLeastTheSizeThatWasAskedFor) {
  BufferPool pool;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, BufferPool::kSmall - 1,
                                 BufferPool::kSmall, BufferPool::kSmall + 1, BufferPool::kLarge,
                                 BufferPool::kLarge + 1, std::size_t{1'000'000}}) {
    Lease lease = pool.Take(size);
    ASSERT_TRUE(lease);
    ASSERT_GE(lease.size(), size);
    std::memset(lease.data(), 'x', lease.size());
  }
}

TEST(BufferPoolTest, AReturnedBufferIsLeasedAgain) {
  BufferPool pool;
  Lease lease = pool.Take(BufferPool::kSmall);
  const char* memory = lease.data();
  lease.Reset();
  EXPECT_FALSE(lease);
  EXPECT_EQ(lease.size(), 0u);
  EXPECT_EQ(pool.Take(1).data(), memory);
}

TEST(BufferPoolTest, SizesAreNotMixedUp) {
  BufferPool pool;
  for (int i = 0; i < 3; ++i) {
    Lease small = pool.Take(BufferPool::kSmall);
    Lease large = pool.Take(BufferPool::kLarge);
    Lease huge = pool.Take(BufferPool::kLarge * 2);
    EXPECT_EQ(small.size(), BufferPool::kSmall);
    EXPECT_EQ(large.size(), BufferPool::kLarge);
    EXPECT_EQ(huge.size(), BufferPool::kLarge * 2);
    std::memset(huge.data(), 'x', huge.size());
  }
}

TEST(BufferPoolTest, TwoLeasesNeverShareMemory) {
  BufferPool pool;
  for (int round = 0; round < 3; ++round) {
    std::vector<Lease> leases;
    std::set<const char*> seen;
    for (int i = 0; i < 200; ++i) {
      leases.push_back(pool.Take(BufferPool::kSmall));
      EXPECT_TRUE(seen.insert(leases.back().data()).second);
    }
  }
}

TEST(BufferPoolTest, MovingALeaseMovesItsMemoryAndReturnsWhatWasHeld) {
  BufferPool pool;
  Lease a = pool.Take(1);
  Lease b = pool.Take(1);
  const char* memory_a = a.data();
  const char* memory_b = b.data();
  b = std::move(a);
  EXPECT_EQ(b.data(), memory_a);
  EXPECT_EQ(pool.Take(1).data(), memory_b);
  const Lease c = std::move(b);
  EXPECT_EQ(c.data(), memory_a);
  EXPECT_NE(pool.Take(1).data(), memory_a) << "it is still leased";
}

TEST(BufferPoolTest, AMovedFromLeaseReturnsNothing) {
  BufferPool pool;
  Lease a = pool.Take(1);
  Lease b = std::move(a);
  EXPECT_FALSE(a);
  a.Reset();
  EXPECT_NE(pool.Take(1).data(), b.data());
}

TEST(BufferPoolTest, FreeBuffersThatWereNotNeededForAPeriodGoToTheHeap) {
  BufferPool pool;
  {
    std::vector<Lease> leases;
    for (int i = 0; i < 40; ++i) leases.push_back(pool.Take(BufferPool::kSmall));
  }
  pool.ReleaseSpare();  // all were needed
  const char* needed = pool.Take(1).data();
  HeapUse& use = HeapUse::OfThisThread();
  use.EndPeriod();
  use.EndPeriod();  // what other tests left behind is forgotten
  pool.ReleaseSpare();
  EXPECT_FALSE(use.EndPeriod());
  EXPECT_TRUE(use.EndPeriod()) << "39 of them are free in the heap";
  EXPECT_EQ(pool.Take(1).data(), needed);
}

TEST(BufferPoolTest, AnEmptyLeaseIsHarmless) {
  Lease lease;
  EXPECT_FALSE(lease);
  lease.Reset();
  const Lease other = std::move(lease);
  EXPECT_FALSE(other);
}

}  // namespace
}  // namespace remora::proxy::net
