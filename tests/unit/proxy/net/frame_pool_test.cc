#include "proxy/net/frame_pool.h"

#include <gtest/gtest.h>

#include <vector>

#include "proxy/net/heap_use.h"

namespace remora::proxy::net {
namespace {

constexpr std::size_t kSize = 1000;
constexpr std::size_t kMany = 2000;  // more than are kept, and worth a pass over the heap

void TakeAndGive(std::size_t count) {
  std::vector<void*> frames;
  for (std::size_t i = 0; i < count; ++i) frames.push_back(TakeFrame(kSize));
  for (void* frame : frames) GiveFrame(frame, kSize);
}

TEST(FramePoolTest, AFreeFrameIsTakenAgain) {
  void* const frame = TakeFrame(kSize);
  GiveFrame(frame, kSize);
  EXPECT_EQ(TakeFrame(kSize - 1), frame);
  GiveFrame(frame, kSize);
}

TEST(FramePoolTest, AFrameThatIsNeededEachPeriodIsKept) {
  void* const frame = TakeFrame(kSize);
  GiveFrame(frame, kSize);
  for (int period = 0; period < 3; ++period) {
    void* const again = TakeFrame(kSize);
    EXPECT_EQ(again, frame);
    GiveFrame(again, kSize);
    ReleaseSpareFrames();
  }
}

TEST(FramePoolTest, TheHeapUseOfABurstEnds) {
  HeapUse& use = HeapUse::OfThisThread();
  use.EndPeriod();
  TakeAndGive(kMany);
  EXPECT_FALSE(use.EndPeriod());
  EXPECT_TRUE(use.EndPeriod());
}

TEST(FramePoolTest, FramesThatWereNotNeededForAPeriodGoToTheHeap) {
  TakeAndGive(10);
  ReleaseSpareFrames();
  void* const needed = TakeFrame(kSize);
  GiveFrame(needed, kSize);
  ReleaseSpareFrames();  // all but one
  ReleaseSpareFrames();  // and that
  HeapUse& use = HeapUse::OfThisThread();
  const HeapUse before = use;
  TakeAndGive(1);
  EXPECT_NE(before, use) << "it came from the heap";
}

}  // namespace
}  // namespace remora::proxy::net
