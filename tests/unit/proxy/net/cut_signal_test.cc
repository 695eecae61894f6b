// A coroutine that is cut ends, wherever it is; one that is not gives its result.
#include "proxy/net/cut_signal.h"

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>

#include "proxy/net/loop.h"
#include "proxy/net/spawn.h"
#include "proxy/net/timer.h"

namespace remora::proxy::net {
namespace {

Awaitable<std::unique_ptr<int>> WaitFor(Loop& loop, Duration time) {
  Timer timer(loop);
  timer.ExpireAfter(time);
  co_await timer.WaitForExpiry();
  co_return std::make_unique<int>(7);
}

Awaitable<std::unique_ptr<int>> Throw() {
  throw std::runtime_error("broken");
  co_return nullptr;
}

struct Outcome {
  std::exception_ptr failure;
  std::optional<std::unique_ptr<int>> result;
};

// Runs `work` to its end; `start` is called when it has been handed over, before it has begun.
template <class Start>
Outcome RunCut(Loop& loop, CutSignal& signal, Awaitable<std::unique_ptr<int>> work, Start start) {
  Outcome outcome;
  Spawn(loop, signal.Run(loop, std::move(work)),
        [&](std::exception_ptr failure, std::optional<std::unique_ptr<int>> result) {
          outcome = {.failure = failure, .result = std::move(result)};
          loop.Close();
        });
  start();
  loop.Run();
  return outcome;
}

TEST(CutSignalTest, WithoutACutTheResultComesThrough) {
  Loop loop;
  CutSignal signal;
  const Outcome outcome = RunCut(loop, signal, WaitFor(loop, Duration(1)), [] {});
  EXPECT_FALSE(outcome.failure);
  ASSERT_TRUE(outcome.result && *outcome.result);
  EXPECT_EQ(**outcome.result, 7);
  signal.Cut();  // too late, and harmless
}

TEST(CutSignalTest, AnExceptionComesThrough) {
  Loop loop;
  CutSignal signal;
  EXPECT_TRUE(RunCut(loop, signal, Throw(), [] {}).failure);
}

TEST(CutSignalTest, ACutEndsAWait) {
  Loop loop;
  CutSignal signal;
  Timer cut(loop);
  cut.ExpireAfter(std::chrono::milliseconds(20));
  cut.OnExpiry([&] { signal.Cut(); });
  const Outcome outcome = RunCut(loop, signal, WaitFor(loop, std::chrono::hours(1)), [] {});
  EXPECT_FALSE(outcome.failure);
  EXPECT_FALSE(outcome.result);
}

// Bug of Boost 1.81: an exception that leaves the loop.
TEST(CutSignalTest, ACutBeforeItHasBegunEndsItToo) {
  Loop loop;
  CutSignal signal;
  const Outcome outcome =
      RunCut(loop, signal, WaitFor(loop, std::chrono::hours(1)), [&] { signal.Cut(); });
  EXPECT_FALSE(outcome.failure);
  EXPECT_FALSE(outcome.result);
}

}  // namespace
}  // namespace remora::proxy::net
