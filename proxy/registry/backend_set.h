// The published state of the pools: what a worker reads on its way to a pick. Immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/registry/backend.h"

namespace remora::proxy {

// A backend that may be picked, with what the pick needs beside its admission word.
struct Candidate {
  Backend* backend;  // owned by the set
  std::uint32_t weight;
  std::uint32_t max_active;  // 0: no limit
};

// The backends of one pool.
struct BackendSet {
  std::vector<Candidate> eligible;  // ordered by id
  std::uint32_t max_weight = 0;     // among the eligible
  std::size_t total = 0;            // eligible or not, without the removed
  // All that are not removed; keeps `eligible` alive.
  std::vector<std::shared_ptr<Backend>> backends;
};

struct Snapshot {
  std::uint64_t revision = 0;
  // The same in two snapshots: they have the same backends. Who follows these need not look at each
  // because the health of one has changed.
  std::uint64_t members = 0;
  std::vector<std::shared_ptr<const BackendSet>> pools;  // in the order of ProxySettings::pools
};

}  // namespace remora::proxy
