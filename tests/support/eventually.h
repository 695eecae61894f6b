// Waiting for what must happen instead of sleeping for a guess.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>

namespace remora::proxy::testing {

// Long, as sanitizers and busy machines are slow. A test that passes never waits for it.
inline constexpr std::chrono::seconds kPatience{30};

// Looks until `condition` holds; false when it did not within kPatience.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

}  // namespace remora::proxy::testing
