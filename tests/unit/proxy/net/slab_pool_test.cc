#include "proxy/net/slab_pool.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace remora::proxy::net {
namespace {

constexpr std::size_t kMany = 1000;

struct Small : SlabObject {
  explicit Small(std::uint64_t its_value) : value(its_value) {}
  std::uint64_t value;
  char rest[120] = {};
};

TEST(SlabPoolTest, ObjectsOfAllSizesDoNotOverlap) {
  SlabPool pool;
  std::vector<std::pair<char*, std::size_t>> taken;
  for (std::size_t size = 1; size <= SlabPool::kMaxSize; size += 7) {
    auto* memory = static_cast<char*>(pool.Take(size));
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory) % alignof(std::max_align_t), 0u);
    std::memset(memory, static_cast<int>(size % 251), size);
    taken.emplace_back(memory, size);
  }
  for (const auto& [memory, size] : taken) {
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(memory[i], static_cast<char>(size % 251));
    SlabPool::Give(memory);
  }
}

TEST(SlabPoolTest, ObjectsLieCloseTogether) {
  SlabPool pool;
  std::vector<void*> taken;
  for (std::size_t i = 0; i < kMany; ++i) taken.push_back(pool.Take(128));
  EXPECT_LE(pool.slabs(), kMany * 128 / 4096 * 11 / 10);
  for (void* object : taken) SlabPool::Give(object);
}

TEST(SlabPoolTest, AnObjectThatWasGivenBackIsTakenAgain) {
  SlabPool pool;
  void* const first = pool.Take(100);
  void* const second = pool.Take(100);
  SlabPool::Give(first);
  EXPECT_EQ(pool.Take(70), first) << "of the same step";
  SlabPool::Give(first);
  SlabPool::Give(second);
}

TEST(SlabPoolTest, OnlyOnePageOfASizeStaysWhenAllObjectsAreGone) {
  SlabPool pool;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Small>> objects;
    for (std::size_t i = 0; i < kMany; ++i) objects.emplace_back(new (pool) Small(i));
    EXPECT_GT(pool.slabs(), 20u);
    for (std::size_t i = 0; i < kMany; ++i) EXPECT_EQ(objects[i]->value, i);
    // In another order than they were made in.
    for (std::size_t i = 0; i < kMany; i += 2) objects[i].reset();
    objects.clear();
    EXPECT_EQ(pool.slabs(), 1u);
  }
}

TEST(SlabPoolTest, AFullPageServesAgainOnceItHasRoom) {
  SlabPool pool;
  std::set<void*> taken;
  while (pool.slabs() < 3) taken.insert(pool.Take(512));
  for (int round = 0; round < 50; ++round) {
    void* const one = *taken.begin();
    taken.erase(taken.begin());
    SlabPool::Give(one);
    EXPECT_TRUE(taken.insert(pool.Take(512)).second);
  }
  EXPECT_EQ(pool.slabs(), 3u);
  for (void* object : taken) SlabPool::Give(object);
}

}  // namespace
}  // namespace remora::proxy::net
