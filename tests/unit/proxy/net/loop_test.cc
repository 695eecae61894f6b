// What the loop runs, in which order, and when it ends.
#include "proxy/net/loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/base/unique_fd.h"
#include "proxy/net/asio_loop.h"
#include "proxy/net/awaitable.h"
#include "proxy/net/event.h"
#include "proxy/net/spawn.h"
#include "proxy/net/timer.h"

namespace remora::proxy::net {
namespace {

using std::chrono::milliseconds;

// Tells of its own end.
struct Witness {
  explicit Witness(bool& ended) : ended_(&ended) {}
  Witness(Witness&& other) noexcept : ended_(std::exchange(other.ended_, nullptr)) {}
  Witness& operator=(Witness&&) = delete;
  ~Witness() {
    if (ended_ != nullptr) *ended_ = true;
  }
  bool* ended_;
};

Awaitable<int> Seven() { co_return 7; }

Awaitable<int> Deep(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await Deep(depth - 1);
}

// ---- coroutines ---------------------------------------------------------------------------------

TEST(AwaitableTest, BeginsWhenItIsAwaited) {
  Loop loop;
  std::vector<std::string> order;
  const auto inner = [](std::vector<std::string>& steps) -> Awaitable<> {
    steps.emplace_back("inner");
    co_return;
  };
  const auto outer = [](auto make, std::vector<std::string>& steps) -> Awaitable<> {
    Awaitable<> later = make(steps);
    steps.emplace_back("outer");
    co_await later;
    steps.emplace_back("end");
  };
  Spawn(loop, outer(inner, order), [&](const std::exception_ptr&) { loop.Close(); });
  loop.Run();
  EXPECT_EQ(order, (std::vector<std::string>{"outer", "inner", "end"}));
}

TEST(AwaitableTest, ResultsAndExceptionsComeThrough) {
  Loop loop;
  const auto fail = []() -> Awaitable<int> {
    throw std::runtime_error("broken");
    co_return 0;
  };
  const auto both = [](auto thrower) -> Awaitable<int> {
    int caught = 0;
    try {
      co_await thrower();
    } catch (const std::runtime_error&) {
      caught = 1;
    }
    co_return caught * 100 + co_await Seven() + co_await Deep(30);
  };
  int result = 0;
  Spawn(loop, both(fail), [&](const std::exception_ptr& failure, int value) {
    EXPECT_FALSE(failure);
    result = value;
    loop.Close();
  });
  loop.Run();
  EXPECT_EQ(result, 137);
}

// Each ends at once, so no stack may grow with their number.
TEST(AwaitableTest, AMillionThatDoNotWaitNeedNoStack) {
  Loop loop;
  const auto many = []() -> Awaitable<int> {
    int sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await Seven();
    co_return sum;
  };
  int sum = 0;
  Spawn(loop, many(), [&](const std::exception_ptr&, int value) {
    sum = value;
    loop.Close();
  });
  loop.Run();
  EXPECT_EQ(sum, 7'000'000);
}

TEST(AwaitableTest, WhatHasNotEndedGoesAwayWithTheLoop) {
  bool ended = false;
  bool told = false;
  {
    Loop loop;
    const auto wait = [](Loop& its_loop, Witness) -> Awaitable<> {
      Event never(its_loop);
      co_await never.Wait();
    };
    Spawn(loop, wait(loop, Witness(ended)), [&](const std::exception_ptr&) { told = true; });
    EXPECT_TRUE(loop.Turn());
    EXPECT_FALSE(ended);
    loop.Close();
    EXPECT_FALSE(loop.finished());
  }
  EXPECT_TRUE(ended);
  EXPECT_FALSE(told);
}

TEST(AwaitableTest, WhatItHeldHasGoneWhenItsEndIsTold) {
  Loop loop;
  bool ended = false;
  const auto hold = [](Witness) -> Awaitable<> { co_return; };
  Spawn(loop, hold(Witness(ended)), [&](const std::exception_ptr&) {
    EXPECT_TRUE(ended);
    loop.Close();
  });
  loop.Run();
}

// ---- the loop -----------------------------------------------------------------------------------

struct Flag final : IoSource {
  void OnEvents(std::uint32_t) override { ++events; }
  int events = 0;
};

TEST(LoopTest, AllThatIsReadyIsNotedBeforeAnythingRuns) {
  Loop loop;
  std::vector<UniqueFd> fds;
  std::vector<Flag> flags(3);
  int seen = 0;
  for (Flag& flag : flags) {
    fds.emplace_back(eventfd(1, EFD_CLOEXEC));
    ASSERT_FALSE(loop.Watch(fds.back().get(), flag, EPOLLIN | EPOLLET));
  }
  loop.Post([&] {
    for (const Flag& flag : flags) seen += flag.events;
  });
  loop.Turn();
  EXPECT_EQ(seen, 3);
}

TEST(LoopTest, TasksOfOtherThreadsRunInOrderAndNoneAfterClose) {
  Loop loop;
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.Post([&order, i] { order.push_back(i); });
    loop.Post([&loop] { loop.Close(); });
  });
  loop.Run();
  other.join();
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  loop.Post([&] { order.clear(); });
  loop.Turn();
  EXPECT_EQ(order.size(), 100U);
}

TEST(LoopTest, WhatIsScheduledMeanwhileWaitsForTheNextTurn) {
  Loop loop;
  int turns = 0;
  const auto yield = [](Loop& of, int& count) -> Awaitable<> {
    for (int i = 0; i < 3; ++i) {
      co_await NextTurn(of);
      ++count;
    }
  };
  Spawn(loop, yield(loop, turns), [](const std::exception_ptr&) {});
  EXPECT_TRUE(loop.Turn());
  EXPECT_EQ(turns, 0);
  for (int turn = 1; turn <= 3; ++turn) {
    EXPECT_TRUE(loop.Turn());
    EXPECT_EQ(turns, turn);
  }
  EXPECT_FALSE(loop.Turn());
}

// ---- timers -------------------------------------------------------------------------------------

TEST(TimerTest, TheEarlierIsFirst) {
  Loop loop;
  Timer late(loop);
  Timer early(loop);
  std::vector<std::string> order;
  late.ExpireAfter(milliseconds(20));
  late.OnExpiry([&] {
    order.emplace_back("late");
    loop.Close();
  });
  early.ExpireAfter(milliseconds(5));
  early.OnExpiry([&] { order.emplace_back("early"); });
  const TimePoint begin = Clock::now();
  loop.Run();
  EXPECT_GE(Clock::now() - begin, milliseconds(20));
  EXPECT_EQ(order, (std::vector<std::string>{"early", "late"}));
}

TEST(TimerTest, ACancelledOneDoesNotCallAndALoopDoesNotWaitForIt) {
  Loop loop;
  Timer timer(loop);
  timer.ExpireAfter(std::chrono::hours(1));
  timer.OnExpiry([] { FAIL(); });
  loop.Close();
  EXPECT_FALSE(loop.finished());
  timer.Cancel();
  EXPECT_TRUE(loop.finished());
}

TEST(TimerTest, ACoroutineLearnsWhetherItWaitedToTheEnd) {
  Loop loop;
  Timer timer(loop);
  std::vector<bool> expired;
  const auto wait = [](Timer& of, std::vector<bool>& ends) -> Awaitable<> {
    of.ExpireAfter(std::chrono::hours(1));
    ends.push_back(co_await of.WaitForExpiry());  // moved by the test
    ends.push_back(co_await of.WaitForExpiry());
  };
  Spawn(loop, wait(timer, expired), [&](const std::exception_ptr&) { loop.Close(); });
  loop.Turn();
  timer.ExpireAfter(milliseconds(1));
  loop.Run();
  EXPECT_EQ(expired, (std::vector<bool>{false, true}));
}

TEST(TimerTest, MayStartAgainOrGoAwayInItsOwnHandler) {
  Loop loop;
  auto timer = std::make_unique<Timer>(loop);
  int calls = 0;
  std::function<void()> again = [&] {
    if (++calls == 3) {
      timer.reset();
      loop.Close();
      return;
    }
    timer->ExpireAfter(milliseconds(1));
    timer->OnExpiry(again);
  };
  timer->ExpireAfter(milliseconds(1));
  timer->OnExpiry(again);
  loop.Run();
  EXPECT_EQ(calls, 3);
}

// ---- beside an io_context -----------------------------------------------------------------------

TEST(AsioLoopTest, ServesBothUntilBothHaveEnded) {
  AsioLoop loop;
  std::vector<std::string> order;
  AsioTimer asio_timer(loop.executor());
  Timer timer(loop);
  asio_timer.expires_after(milliseconds(2));
  asio_timer.async_wait([&](const error_code&) {
    order.emplace_back("asio");
    // From outside of a turn: the loop must hear of it.
    timer.ExpireAfter(milliseconds(2));
    timer.OnExpiry([&] {
      order.emplace_back("timer");
      Spawn(loop, Seven(), [&](const std::exception_ptr&, int) {
        order.emplace_back("coroutine");
        loop.Close();
      });
    });
  });
  std::thread other([&] { loop.Post([&] { order.emplace_back("task"); }); });
  other.join();
  loop.Run();
  EXPECT_EQ(order, (std::vector<std::string>{"task", "asio", "timer", "coroutine"}));
}

}  // namespace
}  // namespace remora::proxy::net
