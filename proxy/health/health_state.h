// When does a run of probe results change the state of a backend? Pure: no sockets, no clock. The
// checker owns one a backend and feeds it.
#pragma once

#include <cassert>
#include <cstdint>

#include "proxy/registry/registry.h"

namespace remora::proxy {

struct HealthThresholds {
  std::uint32_t rise = 2;  // passes in a row that end kUnhealthy
  std::uint32_t fall = 3;  // failures in a row that end kActive
};

class HealthState {
 public:
  explicit HealthState(HealthThresholds thresholds) : thresholds_(thresholds) {
    assert(thresholds.rise > 0 && thresholds.fall > 0);
  }

  // Returns true if this result changed `state()`.
  bool Observe(bool passed) {
    passes_ = passed ? passes_ + 1 : 0;
    failures_ = passed ? 0 : failures_ + 1;
    const ServerState next = Next();
    const bool changed = next != state_;
    state_ = next;
    return changed;
  }

  // kWarming until the first pass or `fall` failures.
  ServerState state() const { return state_; }
  std::uint32_t consecutive_failures() const { return failures_; }

 private:
  ServerState Next() const {
    // One pass is enough for a new backend: it must not wait for `rise` intervals.
    if (state_ == ServerState::kWarming && passes_ > 0) return ServerState::kActive;
    if (passes_ >= thresholds_.rise) return ServerState::kActive;
    if (failures_ >= thresholds_.fall) return ServerState::kUnhealthy;
    return state_;
  }

  HealthThresholds thresholds_;
  ServerState state_ = ServerState::kWarming;
  std::uint32_t passes_ = 0;
  std::uint32_t failures_ = 0;
};

}  // namespace remora::proxy
