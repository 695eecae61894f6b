#include "proxy/net/timer_wheel.h"

#include <algorithm>

namespace remora::proxy::net {

void TimerWheel::Entry::Disarm() {
  if (wheel_ != nullptr) wheel_->Unlink(*this);
}

void TimerWheel::Arm(Entry& entry, TimePoint deadline) {
  entry.Disarm();
  // Rounded up, and never into a tick that has passed.
  const auto ticks = (deadline - start_ + kTick - Duration(1)) / kTick;
  entry.tick_ =
      std::max(static_cast<std::uint64_t>(std::max<decltype(ticks)>(ticks, 0)), current_ + 1);
  Entry*& head = slots_[entry.tick_ % kSlots];
  entry.previous_ = nullptr;
  entry.next_ = head;
  if (head != nullptr) head->previous_ = &entry;
  head = &entry;
  entry.wheel_ = this;
  ++size_;
}

void TimerWheel::Advance(TimePoint now) {
  const auto elapsed = (now - start_) / kTick;
  const auto target = static_cast<std::uint64_t>(std::max<decltype(elapsed)>(elapsed, 0));
  // A pause of a day with entries armed is 864,000 steps, about a millisecond.
  while (current_ < target) {
    if (empty()) {
      current_ = target;
      return;
    }
    ++current_;
    Expire(current_ % kSlots);
  }
}

void TimerWheel::Expire(std::size_t slot) {
  // A callback may unlink any entry, so the walk's next step is kept where Unlink can mend it. What
  // a callback arms lands in a later tick, at the head of its list: it is not walked now.
  for (Entry* entry = slots_[slot]; entry != nullptr; entry = cursor_) {
    cursor_ = entry->next_;
    if (entry->tick_ > current_) continue;
    Unlink(*entry);
    entry->on_expiry_(entry->owner_);
  }
  cursor_ = nullptr;
}

void TimerWheel::Unlink(Entry& entry) {
  if (cursor_ == &entry) cursor_ = entry.next_;
  if (entry.previous_ != nullptr) {
    entry.previous_->next_ = entry.next_;
  } else {
    slots_[entry.tick_ % kSlots] = entry.next_;
  }
  if (entry.next_ != nullptr) entry.next_->previous_ = entry.previous_;
  entry.wheel_ = nullptr;
  entry.previous_ = nullptr;
  entry.next_ = nullptr;
  --size_;
}

}  // namespace remora::proxy::net
