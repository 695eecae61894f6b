#include "proxy/net/name_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <chrono>
#include <cstddef>
#include <future>
#include <vector>

namespace remora::proxy::net {
namespace {

using ::testing::StartsWith;

constexpr std::chrono::seconds kPatience{30};

// No thread can be started for the time of a scope: none gets a stack of a pebibyte.
class NoThreads {
 public:
  NoThreads() {
    pthread_attr_t attributes;
    pthread_getattr_default_np(&attributes);
    pthread_attr_getstacksize(&attributes, &before_);
    pthread_attr_destroy(&attributes);
    Set(std::size_t{1} << 50);
  }
  ~NoThreads() { Set(before_); }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  static void Set(std::size_t stack) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    EXPECT_EQ(pthread_attr_setstacksize(&attributes, stack), 0);
    EXPECT_EQ(pthread_setattr_default_np(&attributes), 0);
    pthread_attr_destroy(&attributes);
  }

  std::size_t before_ = 0;
};

// Bug: the process aborted.
TEST(NameLookupTest, WithoutAThreadALookUpFailsAndTheNextOneWorks) {
  std::vector<NameLookup::Result> failed;
  NameLookup lookup(1);
  {
    const NoThreads none;
    lookup.Start("127.0.0.1", 80, [&](NameLookup::Result result) { failed.push_back(result); });
  }
  ASSERT_EQ(failed.size(), 1U);
  ASSERT_FALSE(failed[0].has_value());
  EXPECT_THAT(failed[0].error(), StartsWith("no thread for it: "));
  // The one thread that is allowed is still to be had, and has nothing else to do.
  std::promise<NameLookup::Result> done;
  auto answer = done.get_future();
  lookup.Start("127.0.0.2", 80, [&](NameLookup::Result result) { done.set_value(result); });
  ASSERT_EQ(answer.wait_for(kPatience), std::future_status::ready);
  const NameLookup::Result found = answer.get();
  ASSERT_TRUE(found.has_value()) << found.error();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().ToString(), "127.0.0.2:80");
  EXPECT_EQ(failed.size(), 1U) << "it was not looked up after all";
}

}  // namespace
}  // namespace remora::proxy::net
