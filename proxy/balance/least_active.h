// Picks the backend with the least `(active + 1) / weight` and counts the request in, exactly, for
// any number of workers.
//
// LeastActive belongs to one worker (its rotation is not shared); the counts it reads are. Pick is
// synchronous and never blocks.
#pragma once

#include <cstddef>
#include <expected>
#include <span>

#include "proxy/base/error.h"
#include "proxy/registry/backend_set.h"

namespace remora::proxy {

class LeastActive {
 public:
  // Equal loads take turns; in a set of more than kSmallSet they do so in windows of kWindow
  // backends, twice as many whenever none of them is free, for kTurns turns each. So the
  // connections that are in use are few and warm, and with few requests are not closed between two
  // of them. The loads decide as always; within a window nobody has more than one pick a turn, and
  // in the end each has had the same share.
  static constexpr std::size_t kSmallSet = 64;
  static constexpr std::size_t kWindow = 16;
  static constexpr std::size_t kTurns = 32;

  // `seed`: which window of a large set is the first. At random, or sidecars that start together
  // all begin with the same backends.
  explicit LeastActive(std::size_t seed = 0) : start_(seed), window_(seed) {}

  // Backends in `excluded` are passed over (they have just failed this request).
  // Errors: kNoServers (empty pool), kNoHealthyServer, kQueueFull (all healthy ones are full).
  Result<ActiveRequest> Pick(const BackendSet& set, std::span<const Backend* const> excluded);

 private:
  void StartWithin(std::size_t count);
  std::size_t PlaceInWindow(std::size_t index, std::size_t count) const;
  void MoveOn(std::size_t winner, std::size_t count);
  void EndTurn(std::size_t count);

  // Where the next scan starts: behind the last winner, or the window's begin.
  std::size_t start_;
  std::size_t window_;  // its first backend
  std::size_t window_size_ = kWindow;
  std::size_t turns_ = 0;  // of this window, over
};

}  // namespace remora::proxy
