#include "proxy/net/timer_wheel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace remora::proxy::net {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const TimePoint kStart = TimePoint(std::chrono::hours(1));

// An entry that runs a function.
class Alarm {
 public:
  explicit Alarm(std::function<void()> ring) : ring_(std::move(ring)), entry_(&Ring, this) {}
  TimerWheel::Entry& entry() { return entry_; }

 private:
  // A copy runs, as the function may destroy the alarm that holds it.
  static void Ring(void* owner) { std::function<void()>(static_cast<Alarm*>(owner)->ring_)(); }
  std::function<void()> ring_;
  TimerWheel::Entry entry_;
};

class TimerWheelTest : public ::testing::Test {
 protected:
  std::unique_ptr<Alarm> Make(int name) {
    return std::make_unique<Alarm>([this, name] { rung_.push_back(name); });
  }
  void Advance(int ms) { wheel_.Advance(kStart + milliseconds(ms)); }
  void Arm(Alarm& alarm, int ms) { wheel_.Arm(alarm.entry(), kStart + milliseconds(ms)); }

  std::vector<int> rung_;
  TimerWheel wheel_{kStart};
};

TEST_F(TimerWheelTest, AnEntryExpiresAtTheFirstTickNotBeforeItsDeadlineAndOnce) {
  const auto alarm = Make(1);
  Arm(*alarm, 250);
  Advance(299);
  EXPECT_THAT(rung_, IsEmpty());
  Advance(300);
  EXPECT_THAT(rung_, ElementsAre(1));
  EXPECT_FALSE(alarm->entry().armed());
  Advance(100'000);
  EXPECT_THAT(rung_, ElementsAre(1));
}

TEST_F(TimerWheelTest, ADeadlineOnATickExpiresAtThatTick) {
  const auto alarm = Make(1);
  Arm(*alarm, 300);
  Advance(299);
  EXPECT_THAT(rung_, IsEmpty());
  Advance(300);
  EXPECT_THAT(rung_, ElementsAre(1));
}

TEST_F(TimerWheelTest, ADeadlineThatHasPassedExpiresAtTheNextTick) {
  Advance(1000);
  const auto alarm = Make(1);
  Arm(*alarm, -5000);
  EXPECT_THAT(rung_, IsEmpty()) << "never inside Arm";
  Advance(1099);
  EXPECT_THAT(rung_, IsEmpty());
  Advance(1100);
  EXPECT_THAT(rung_, ElementsAre(1));
}

TEST_F(TimerWheelTest, ADeadlineFurtherThanOneTurnWaitsForItsOwnTurn) {
  const auto near = Make(1);
  const auto far = Make(2);
  const auto farther = Make(3);
  Arm(*near, 100);
  Arm(*far, 100 + 512 * 100);
  Arm(*farther, 100 + 3 * 512 * 100);
  Advance(100);
  EXPECT_THAT(rung_, ElementsAre(1));
  Advance(512 * 100);
  EXPECT_THAT(rung_, ElementsAre(1));
  Advance(513 * 100);
  EXPECT_THAT(rung_, ElementsAre(1, 2));
  Advance(3 * 512 * 100);
  EXPECT_THAT(rung_, ElementsAre(1, 2));
  Advance(100 + 3 * 512 * 100);
  EXPECT_THAT(rung_, ElementsAre(1, 2, 3));
}

TEST_F(TimerWheelTest, ArmingAgainMovesTheDeadline) {
  const auto alarm = Make(1);
  Arm(*alarm, 100);
  Arm(*alarm, 500);
  EXPECT_EQ(wheel_.size(), 1u);
  Advance(499);
  EXPECT_THAT(rung_, IsEmpty());
  Advance(500);
  EXPECT_THAT(rung_, ElementsAre(1));
}

TEST_F(TimerWheelTest, ADisarmedEntryDoesNotExpire) {
  const auto alarm = Make(1);
  Arm(*alarm, 100);
  alarm->entry().Disarm();
  alarm->entry().Disarm();
  EXPECT_TRUE(wheel_.empty());
  Advance(1000);
  EXPECT_THAT(rung_, IsEmpty());
}

TEST_F(TimerWheelTest, ADestroyedEntryDisarmsItself) {
  auto alarm = Make(1);
  Arm(*alarm, 100);
  alarm.reset();
  EXPECT_TRUE(wheel_.empty());
  Advance(1000);
  EXPECT_THAT(rung_, IsEmpty());
}

TEST_F(TimerWheelTest, EarlierTicksExpireFirst) {
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (const int ms : {500, 100, 300, 200, 400}) {
    alarms.push_back(Make(ms));
    Arm(*alarms.back(), ms);
  }
  Advance(1000);
  EXPECT_THAT(rung_, ElementsAre(100, 200, 300, 400, 500));
}

// After a pause of the whole process (a laptop that slept) the slots come round more than once.
TEST_F(TimerWheelTest, EarlierTicksExpireFirstAfterAPauseOfMoreThanOneTurn) {
  const auto late = Make(2);
  const auto early = Make(1);
  Arm(*late, 513 * 100);  // slot 1
  Arm(*early, 10 * 100);  // slot 10
  Advance(2000 * 100);
  EXPECT_THAT(rung_, ElementsAre(1, 2));
}

TEST_F(TimerWheelTest, ACallbackMayDestroyItselfAndItsNeighbours) {
  std::vector<std::unique_ptr<Alarm>> alarms(5);
  int rung = 0;
  for (auto& alarm : alarms) {
    alarm = std::make_unique<Alarm>([&] {
      ++rung;
      for (auto& other : alarms) other.reset();
    });
    Arm(*alarm, 100);
  }
  Advance(100);
  EXPECT_EQ(rung, 1);
  EXPECT_TRUE(wheel_.empty());
}

TEST_F(TimerWheelTest, ACallbackMayArmItselfAgain) {
  int rung = 0;
  std::unique_ptr<Alarm> alarm;
  alarm = std::make_unique<Alarm>([&] {
    ++rung;
    Arm(*alarm, 100 * (rung + 1));
  });
  Arm(*alarm, 100);
  Advance(1000);
  EXPECT_EQ(rung, 10);
}

TEST_F(TimerWheelTest, ACallbackMayArmForTheSameSlotOneTurnLater) {
  int rung = 0;
  std::unique_ptr<Alarm> alarm;
  alarm = std::make_unique<Alarm>([&] {
    ++rung;
    Arm(*alarm, 100 + 512 * 100);
  });
  Arm(*alarm, 100);
  Advance(100);
  EXPECT_EQ(rung, 1);
  EXPECT_TRUE(alarm->entry().armed());
  Advance(513 * 100);
  EXPECT_EQ(rung, 2);
}

TEST_F(TimerWheelTest, NextTickIsWhenSomethingCanExpire) {
  const auto alarm = Make(1);
  Arm(*alarm, 50);
  EXPECT_EQ(wheel_.next_tick(), kStart + milliseconds(100));
  wheel_.Advance(wheel_.next_tick());
  EXPECT_THAT(rung_, ElementsAre(1));
}

TEST_F(TimerWheelTest, TimeThatStandsStillOrGoesBackExpiresNothing) {
  Advance(1000);
  const auto alarm = Make(1);
  Arm(*alarm, 1100);
  Advance(1000);
  Advance(0);
  Advance(-100);
  EXPECT_THAT(rung_, IsEmpty());
  Advance(1100);
  EXPECT_THAT(rung_, ElementsAre(1));
}

// Many entries, armed, moved, disarmed and destroyed at random, also from inside callbacks. The
// model is a map of due ticks.
class RandomWheel {
 public:
  explicit RandomWheel(unsigned seed) : random_(seed) {
    for (int i = 0; i < kEntries; ++i) Create(i);
  }
  void Step() {
    for (int i = 0; i < 5; ++i) Change(Pick());
    const std::int64_t before = now_;
    now_ += Below(20) == 0 ? Below(200'000) : Below(700);
    wheel_.Advance(At(now_));
    for (const auto& [id, tick] : due_) {
      ASSERT_GT(tick, now_ / 100) << "entry " << id << " did not expire from " << before;
    }
    ASSERT_EQ(wheel_.size(), due_.size());
    ASSERT_EQ(wrong_, 0);
  }
  int rung() const { return rung_; }

 private:
  static constexpr int kEntries = 200;

  static TimePoint At(std::int64_t ms) { return kStart + milliseconds(ms); }
  std::int64_t Below(std::int64_t limit) { return static_cast<std::int64_t>(random_()) % limit; }
  int Pick() { return static_cast<int>(Below(kEntries)); }

  void Create(int id) {
    alarms_[id] = std::make_unique<Alarm>([this, id] { Ring(id); });
  }
  void Change(int id) {
    switch (Below(6)) {
      case 0:
        alarms_[id]->entry().Disarm();
        due_.erase(id);
        return;
      case 1:
        due_.erase(id);
        Create(id);
        return;
      default: {
        const std::int64_t ms = now_ + Below(Below(4) == 0 ? 200'000 : 3'000) - 500;
        wheel_.Arm(alarms_[id]->entry(), At(ms));
        // The tick that Advance has reached last is unknown here while it runs, so the model takes
        // the deadline and the check allows for "never in the past".
        due_[id] = std::max((std::max<std::int64_t>(ms, 0) + 99) / 100, reached_ + 1);
        return;
      }
    }
  }
  void Ring(int id) {
    ++rung_;
    const auto found = due_.find(id);
    if (found == due_.end() || found->second > now_ / 100) {
      ++wrong_;
      return;
    }
    due_.erase(found);
    if (Below(4) == 0) Disturb();
  }
  // What a callback does to others: only disarm and destroy, so that the model stays simple.
  void Disturb() {
    const int other = Pick();
    due_.erase(other);
    if (Below(2) == 0) {
      alarms_[other]->entry().Disarm();
    } else {
      Create(other);
    }
  }

  std::mt19937 random_;
  TimerWheel wheel_{kStart};
  std::map<int, std::unique_ptr<Alarm>> alarms_;
  std::map<int, std::int64_t> due_;
  std::int64_t now_ = 0;
  std::int64_t reached_ = 0;
  int rung_ = 0;
  int wrong_ = 0;

 public:
  void NoteReached() { reached_ = now_ / 100; }
};

TEST(TimerWheelModelTest, ManyRandomEntriesExpireExactlyWhenTheModelSays) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    RandomWheel wheel(seed);
    for (int step = 0; step < 1000; ++step) {
      ASSERT_NO_FATAL_FAILURE(wheel.Step()) << "seed " << seed << ", step " << step;
      wheel.NoteReached();
    }
    EXPECT_GT(wheel.rung(), 500);
  }
}

}  // namespace
}  // namespace remora::proxy::net
