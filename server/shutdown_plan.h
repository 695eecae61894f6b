// What a shutdown does and until when. It may come in two steps: the inbound listeners first, as a
// preStop hook asks, then everything. Both count from the first, as the grace of a pod does.
//
// Pure: the time comes in. Threads: one at a time.
#pragma once

#include <optional>

#include "proxy/base/clock.h"
#include "proxy/base/drain_scope.h"
#include "server/config/config.h"

namespace remora::server {

class ShutdownPlan {
 public:
  // `has_inbound`: there is a listener of that direction.
  ShutdownPlan(const ShutdownSettings& settings, bool has_inbound)
      : settings_(settings), has_inbound_(has_inbound) {}

  // True if this begins something; not where that scope drains already or has nothing to drain.
  bool Ask(proxy::DrainScope scope, proxy::TimePoint now) {
    // Long after a hook that had nothing to drain, this is another end.
    if (!first_ || (!draining_ && now >= deadline())) first_ = now;
    if (draining_ && *draining_ >= scope) return false;
    if (scope == proxy::DrainScope::kInbound && !has_inbound_) return false;
    draining_ = scope;
    return true;
  }

  std::optional<proxy::DrainScope> draining() const { return draining_; }

  // After the first Ask: when listeners that drain stop accepting, and when what still runs is cut.
  proxy::TimePoint closes() const { return *first_ + settings_.delay; }
  proxy::TimePoint deadline() const { return *first_ + settings_.deadline; }

 private:
  const ShutdownSettings settings_;
  const bool has_inbound_;
  std::optional<proxy::TimePoint> first_;
  std::optional<proxy::DrainScope> draining_;
};

}  // namespace remora::server
