#include "proxy/balance/least_active.h"

#include <algorithm>
#include <cstdint>

namespace remora::proxy {
namespace {

// a/b < c/d for positive integers, without division or rounding.
bool Less(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d) {
  return a * d < c * b;
}

}  // namespace

Result<ActiveRequest> LeastActive::Pick(const BackendSet& set,
                                        std::span<const Backend* const> excluded) {
  const std::size_t count = set.eligible.size();
  if (set.total == 0) return Fail(ErrorKind::kNoServers, Side::kProxy, "the pool has no servers");
  if (count == 0) {
    return Fail(ErrorKind::kNoHealthyServer, Side::kProxy, "no server of the pool is healthy");
  }
  StartWithin(count);
  for (;;) {
    const Candidate* best = nullptr;
    std::size_t best_index = 0;
    AdmissionWord::Seen best_seen{};
    bool any_full = false;
    std::size_t index = start_;
    for (std::size_t scanned = 0; scanned < count;
         ++scanned, index = index + 1 < count ? index + 1 : 0) {
      const Candidate& candidate = set.eligible[index];
      if (std::ranges::find(excluded, candidate.backend) != excluded.end()) continue;
      const AdmissionWord::Seen seen = candidate.backend->admission().Load();
      if (seen.closed()) continue;
      if (candidate.max_active != 0 && seen.active() >= candidate.max_active) {
        any_full = true;
        continue;
      }
      if (best == nullptr || Less(std::uint64_t{seen.active()} + 1, candidate.weight,
                                  std::uint64_t{best_seen.active()} + 1, best->weight)) {
        best = &candidate;
        best_index = index;
        best_seen = seen;
        // Idle and of the greatest weight: nothing can be less.
        if (seen.active() == 0 && candidate.weight == set.max_weight) break;
      }
    }
    if (best == nullptr) {
      if (any_full) {
        return FailAt(Limit::kMaxActive, ErrorKind::kQueueFull, Side::kProxy,
                      "every healthy server is at max_active");
      }
      return Fail(ErrorKind::kNoHealthyServer, Side::kProxy, "no server of the pool is healthy");
    }
    // What was passed over in this turn may be as little loaded as what is behind the window, whose
    // first one would otherwise have a share more.
    if (count > kSmallSet && start_ != window_ &&
        PlaceInWindow(best_index, count) >= window_size_) {
      EndTurn(count);
      continue;
    }
    // A failed swap means that somebody else was admitted or left: look again. Some thread always
    // makes progress.
    if (!best->backend->admission().TryAdmit(best_seen)) continue;
    MoveOn(best_index, count);
    return ActiveRequest(*best->backend);
  }
}

// The set may be another than the last time.
void LeastActive::StartWithin(std::size_t count) {
  if (count <= kSmallSet) {
    if (start_ >= count) start_ = 0;
    return;
  }
  if (start_ >= count || window_ >= count) start_ = window_ = window_ % count;
  window_size_ = std::min(window_size_, count);
}

std::size_t LeastActive::PlaceInWindow(std::size_t index, std::size_t count) const {
  return index >= window_ ? index - window_ : index + count - window_;
}

void LeastActive::MoveOn(std::size_t winner, std::size_t count) {
  start_ = winner + 1 < count ? winner + 1 : 0;
  if (count <= kSmallSet) return;
  const std::size_t place = PlaceInWindow(winner, count);
  if (place >= window_size_) window_size_ = std::min(std::max(2 * window_size_, place + 1), count);
  if (place + 1 == window_size_) EndTurn(count);
}

// With 1,000 backends a request cost 1.34 times what it does with one, with windows 1.07 to 1.10.
void LeastActive::EndTurn(std::size_t count) {
  if (++turns_ >= kTurns) {
    window_ = (window_ + window_size_) % count;
    window_size_ = kWindow;
    turns_ = 0;
  }
  start_ = window_;
}

}  // namespace remora::proxy
