// Registry: paging, observers and use from many threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "proxy/balance/least_active.h"
#include "proxy/base/status.h"
#include "proxy/registry/registry.h"
#include "tests/support/pool.h"

namespace remora::proxy {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ServerSpec Spec() { return {.url = "127.0.0.1:9001", .weight = 1, .max_active = 0, .labels = {}}; }

// All ids, read page by page.
std::vector<std::string> Walk(const Registry& registry, std::string_view pool, std::size_t limit,
                              const std::function<void(int)>& between_pages = {}) {
  std::vector<std::string> ids;
  std::optional<ListCursor> after;
  for (int page_number = 0;; ++page_number) {
    const auto page = registry.List(pool, after, limit);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return ids;
    EXPECT_LE(page->servers.size(), limit);
    for (const ServerView& server : page->servers) ids.push_back(server.pool + "/" + server.id);
    if (!page->more) return ids;
    const ServerView& last = page->servers.back();
    after = ListCursor{.pool = last.pool, .id = last.id, .uid = last.uid};
    if (between_pages) between_pages(page_number);
  }
}

class RegistryListTest : public ::testing::Test {
 protected:
  void Add(std::string_view pool, std::string_view id) {
    ASSERT_TRUE(registry_.Add(pool, id, Spec(), "api").ok());
  }
  testing::RecordingEvents events_;
  Registry registry_{{"default", "other"}, &events_};
};

TEST_F(RegistryListTest, AnEmptyRegistryHasOneEmptyPage) {
  const auto page = registry_.List("", std::nullopt, 10);
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(page->servers, IsEmpty());
  EXPECT_FALSE(page->more);
}

TEST_F(RegistryListTest, PagesOfAnySizeGiveTheSameOrder) {
  for (const char* id : {"d", "b", "a", "e", "c"}) Add("other", id);
  for (const char* id : {"y", "x"}) Add("default", id);
  for (const std::size_t limit : {1u, 2u, 3u, 7u, 100u}) {
    EXPECT_THAT(Walk(registry_, "", limit), ElementsAre("default/x", "default/y", "other/a",
                                                        "other/b", "other/c", "other/d", "other/e"))
        << limit;
  }
}

TEST_F(RegistryListTest, APoolShowsItsOwnServersOnly) {
  Add("other", "a");
  Add("default", "b");
  EXPECT_THAT(Walk(registry_, "other", 1), ElementsAre("other/a"));
}

TEST_F(RegistryListTest, AFullLastPageSaysThatItIsTheLast) {
  Add("", "a");
  Add("", "b");
  EXPECT_FALSE(registry_.List("", std::nullopt, 2)->more);
  EXPECT_TRUE(registry_.List("", std::nullopt, 1)->more);
}

TEST_F(RegistryListTest, WhatStaysIsSeenOnceThoughOthersComeAndGoBetweenPages) {
  for (const char* id : {"b", "d", "f", "h"}) Add("", id);
  const auto ids = Walk(registry_, "", 1, [&](int page) {
    if (page == 0) Add("", "a");                                             // before the position
    if (page == 0) ASSERT_TRUE(registry_.Remove("", "b", seconds(1)).ok());  // the position itself
    if (page == 1) Add("", "e");                                             // after it
  });
  EXPECT_THAT(ids, ElementsAre("default/b", "default/d", "default/e", "default/f", "default/h"));
}

TEST_F(RegistryListTest, ThePageTellsTheRevisionItWasReadAt) {
  const std::uint64_t empty = registry_.List("", std::nullopt, 1)->revision;
  Add("", "a");
  const auto page = registry_.List("", std::nullopt, 1);
  EXPECT_GT(page->revision, empty);
  EXPECT_EQ(page->revision, page->servers.at(0).revision);
}

// ---- observers ----------------------------------------------------------------------------------

TEST_F(RegistryListTest, AnObserverIsToldOfEachChangeAndSeesIt) {
  int calls = 0;
  std::size_t seen = 0;
  registry_.Subscribe([&] {
    ++calls;
    seen = registry_.snapshot()->pools.at(0)->total;
  });
  Add("", "a");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(seen, 1u);
  Add("", "a");
  EXPECT_EQ(calls, 1) << "nothing has changed";
  ASSERT_TRUE(registry_.Remove("", "a", seconds(1)).ok());
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(seen, 0u);
  EXPECT_FALSE(registry_.Remove("", "a", seconds(1)).ok());
  EXPECT_EQ(calls, 2) << "a failed call changes nothing";
}

TEST_F(RegistryListTest, AnUnsubscribedObserverIsNotToldAndOthersAre) {
  int first = 0;
  int second = 0;
  const std::uint64_t id = registry_.Subscribe([&] { ++first; });
  registry_.Subscribe([&] { ++second; });
  registry_.Unsubscribe(id);
  Add("", "a");
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
}

TEST_F(RegistryListTest, NoCallRunsAfterUnsubscribeHasReturned) {
  std::atomic<bool> stop = false;
  std::jthread changer([&] {
    while (!stop) {
      registry_.Add("", "a", Spec(), "api").IgnoreError();
      registry_.Remove("", "a", seconds(1)).IgnoreError();
    }
  });
  for (int i = 0; i < 200; ++i) {
    auto alive = std::make_unique<std::atomic<int>>(0);
    const std::uint64_t id = registry_.Subscribe([counter = alive.get()] { ++*counter; });
    while (*alive == 0) std::this_thread::yield();
    registry_.Unsubscribe(id);
    alive.reset();  // a late call would touch freed memory
  }
  stop = true;
}

// ---- threads ------------------------------------------------------------------------------------

// Workers pick from whatever snapshot they hold while servers come and go. What was removed when a
// pick began must not be the one it picked.
TEST_F(RegistryListTest, NoPickAfterRemoveHasReturnedWhateverSnapshotAWorkerHolds) {
  constexpr int kRounds = 150;
  constexpr int kWorkers = 3;
  for (int round = 0; round < kRounds; ++round) {
    testing::RecordingEvents events;
    Registry registry({"default"}, &events);
    for (const char* id : {"keep", "leave"}) {
      const auto added = registry.Add("", id, Spec(), "api");
      registry.ReportHealth(added->server.uid, {.state = ServerState::kActive,
                                                .reason = "",
                                                .last_probe = {},
                                                .consecutive_failures = 0});
    }
    const auto stale = registry.snapshot();
    std::atomic<bool> removed = false;
    std::atomic<int> wrong = 0;
    std::barrier start(kWorkers + 1);
    std::vector<std::jthread> workers;
    for (int w = 0; w < kWorkers; ++w) {
      workers.emplace_back([&] {
        LeastActive balance;
        start.arrive_and_wait();
        for (int picks_after = 0; picks_after < 20;) {
          const bool was_removed = removed.load();
          const auto picked = balance.Pick(*stale->pools[0], {});
          if (was_removed) {
            ++picks_after;
            if (!picked || picked->backend()->id() == "leave") ++wrong;
          }
        }
      });
    }
    start.arrive_and_wait();
    const auto view = registry.Remove("", "leave", seconds(30));
    removed = true;
    workers.clear();
    EXPECT_EQ(wrong, 0);
    // What ran at the removal was reported exactly once, so that it can be forgotten.
    for (const std::string& uid : events.drained()) registry.EraseDrained(uid);
    EXPECT_LE(events.drained().size(), 1u);
    EXPECT_THAT(registry.DrainingBackends(), IsEmpty());
  }
}

TEST_F(RegistryListTest, CallersOnManyThreadsLeaveAConsistentSet) {
  constexpr int kThreads = 4;
  std::barrier start(kThreads);
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(static_cast<unsigned>(t));
      start.arrive_and_wait();
      for (int i = 0; i < 500; ++i) {
        const std::string id = "s" + std::to_string(random() % 20);
        switch (random() % 4) {
          case 0:
            registry_.Remove("", id, seconds(1)).IgnoreError();
            break;
          case 1:
            registry_.List("", std::nullopt, 5).IgnoreError();
            break;
          case 2:
            registry_.Totals();
            break;
          default:
            registry_.Add("", id, Spec(), "api").IgnoreError();
            break;
        }
      }
    });
  }
  threads.clear();
  const auto ids = Walk(registry_, "", 7);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
  EXPECT_EQ(registry_.snapshot()->pools.at(0)->total, ids.size());
  EXPECT_EQ(registry_.Totals().at(0).warming, ids.size());
}

}  // namespace
}  // namespace remora::proxy
