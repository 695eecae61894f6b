// What a drain is about: everything, or the listeners over which others call the application beside
// us, so that it may still call others while it ends. Plain values.
#pragma once

#include <cstdint>

#include "proxy/base/settings.h"

namespace remora::proxy {

enum class DrainScope : std::uint8_t { kInbound, kAll };

inline bool Covers(DrainScope scope, Direction direction) {
  return scope == DrainScope::kAll || direction == Direction::kInbound;
}

}  // namespace remora::proxy
