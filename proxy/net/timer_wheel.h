// Coarse deadlines for many connections: O(1) to arm, move and disarm, no heap, no timer of the
// kernel per operation.
//
// A hashed wheel of intrusive lists with 100 ms slots; deadlines further away than one turn stay in
// their slot until the turn that is theirs. Pure: the owner says what time it is. Single-threaded.
// An Entry belongs to one wheel and disarms itself when it is destroyed; the wheel outlives it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "proxy/base/clock.h"

namespace remora::proxy::net {

class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds kTick{100};

  class Entry {
   public:
    // `on_expiry(owner)` runs inside Advance; it may arm, disarm or destroy any entry.
    using OnExpiry = void (*)(void* owner);
    Entry(OnExpiry on_expiry, void* owner) : on_expiry_(on_expiry), owner_(owner) {}
    ~Entry() { Disarm(); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    bool armed() const { return wheel_ != nullptr; }
    void Disarm();

   private:
    friend class TimerWheel;
    OnExpiry on_expiry_;
    void* owner_;
    TimerWheel* wheel_ = nullptr;
    Entry* previous_ = nullptr;
    Entry* next_ = nullptr;
    std::uint64_t tick_ = 0;
  };

  explicit TimerWheel(TimePoint start) : start_(start) {}

  // (Re)arms `entry` to expire at the first tick that is not before `deadline`.
  void Arm(Entry& entry, TimePoint deadline);

  // Expires all entries that are due at `now`, oldest tick first.
  void Advance(TimePoint now);

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  // When Advance has to be called next; only meaningful while not empty.
  TimePoint next_tick() const { return start_ + (current_ + 1) * kTick; }

 private:
  static constexpr std::size_t kSlots = 512;

  void Unlink(Entry& entry);
  void Expire(std::size_t slot);

  TimePoint start_;
  std::uint64_t current_ = 0;  // last tick that was expired
  std::size_t size_ = 0;
  Entry* cursor_ = nullptr;  // next entry of the slot that Expire walks
  std::array<Entry*, kSlots> slots_{};
};

}  // namespace remora::proxy::net
