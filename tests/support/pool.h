// Backends without a registry, for tests of what stands above them, and what tests do to those of a
// registry.
//
// A RecordingEvents may be told things from any thread; a TestPool belongs to one thread, the
// backends in it to all. The events outlive the pool.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/registry/backend.h"
#include "proxy/registry/backend_set.h"
#include "proxy/registry/backend_url.h"
#include "proxy/registry/registry.h"

namespace remora::proxy::testing {

class RecordingEvents final : public BackendEvents {
 public:
  void OnDrained(const Backend& backend) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    drained_.push_back(backend.uid());
  }
  void OnConnectFailed(const Backend& backend) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    connect_failed_.push_back(backend.uid());
  }

  std::vector<std::string> drained() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return drained_;
  }
  std::vector<std::string> connect_failed() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return connect_failed_;
  }

 private:
  mutable absl::Mutex mu_;
  std::vector<std::string> drained_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> connect_failed_ ABSL_GUARDED_BY(mu_);
};

// A published set of eligible backends "s0", "s1", ... at 127.0.0.1:9000, 9001, ...
class TestPool {
 public:
  explicit TestPool(BackendEvents& events) : events_(&events) {}
  TestPool(BackendEvents& events, const std::vector<std::uint32_t>& weights) : TestPool(events) {
    for (const std::uint32_t weight : weights) Add(weight);
  }

  Backend& Add(std::uint32_t weight, std::uint32_t max_active = 0) {
    const auto index = static_cast<std::uint16_t>(set_.backends.size());
    BackendUrl url{.host = "127.0.0.1",
                   .port = static_cast<std::uint16_t>(9000 + index),
                   .unix_path = {},
                   .prefix = {}};
    const std::string id = "s" + std::to_string(index);
    set_.backends.push_back(std::make_shared<Backend>("default", id, "uid-" + id, url, events_));
    set_.eligible.push_back({set_.backends.back().get(), weight, max_active});
    set_.max_weight = std::max(set_.max_weight, weight);
    set_.total = set_.backends.size();
    return *set_.backends.back();
  }

  const BackendSet& set() const { return set_; }
  Backend& at(std::size_t index) const { return *set_.backends.at(index); }
  std::uint32_t active(std::size_t index) const {
    return set_.backends.at(index)->admission().Load().active();
  }
  std::vector<std::uint32_t> actives() const {
    std::vector<std::uint32_t> counts;
    for (const auto& backend : set_.backends)
      counts.push_back(backend->admission().Load().active());
    return counts;
  }

 private:
  BackendEvents* events_;
  BackendSet set_;
};

// As the health checker reports what it has found.
inline void ReportState(Registry& registry, std::string_view uid, ServerState state,
                        std::string reason = "a test says so") {
  registry.ReportHealth(uid, {.state = state,
                              .reason = std::move(reason),
                              .last_probe = WallClock::now(),
                              .consecutive_failures = 0});
}

// One running request on the server, which must be eligible.
inline ActiveRequest StartRequest(const BackendSet& set, std::string_view id) {
  for (const Candidate& candidate : set.eligible) {
    if (candidate.backend->id() != id) continue;
    AdmissionWord& word = candidate.backend->admission();
    EXPECT_TRUE(word.TryAdmit(word.Load()));
    return ActiveRequest(*candidate.backend);
  }
  ADD_FAILURE() << id << " is not eligible";
  return ActiveRequest();
}

}  // namespace remora::proxy::testing
