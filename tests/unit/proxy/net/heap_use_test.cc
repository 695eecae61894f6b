#include "proxy/net/heap_use.h"

#include <gtest/gtest.h>

#include <thread>

namespace remora::proxy::net {
namespace {

constexpr auto kMuch = static_cast<std::size_t>(HeapUse::kWorthwhile);

TEST(HeapUseTest, WhatIsStillUsedIsNotSpare) {
  HeapUse use;
  use.Take(10 * kMuch);
  EXPECT_FALSE(use.EndPeriod());
  EXPECT_FALSE(use.EndPeriod());
}

TEST(HeapUseTest, MemoryIsSpareOnceAWholePeriodHasPassedWithoutIt) {
  HeapUse use;
  use.Take(10 * kMuch);
  use.Give(9 * kMuch);
  EXPECT_FALSE(use.EndPeriod()) << "it was needed in this one";
  EXPECT_TRUE(use.EndPeriod());
  EXPECT_FALSE(use.EndPeriod()) << "the kernel has it already";
}

TEST(HeapUseTest, ABurstThatComesEachPeriodKeepsItsMemory) {
  HeapUse use;
  for (int period = 0; period < 10; ++period) {
    use.Take(10 * kMuch);
    use.Give(10 * kMuch);
    EXPECT_FALSE(use.EndPeriod());
  }
  EXPECT_TRUE(use.EndPeriod());
}

TEST(HeapUseTest, LittleIsNotWorthIt) {
  HeapUse use;
  use.Take(kMuch - 1);
  use.Give(kMuch - 1);
  EXPECT_FALSE(use.EndPeriod());
  EXPECT_FALSE(use.EndPeriod());
}

TEST(HeapUseTest, EachThreadHasItsOwn) {
  HeapUse* others = nullptr;
  std::thread([&others] { others = &HeapUse::OfThisThread(); }).join();
  EXPECT_NE(others, &HeapUse::OfThisThread());
}

}  // namespace
}  // namespace remora::proxy::net
