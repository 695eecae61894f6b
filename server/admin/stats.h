// The numbers of the dashboard: what the registry and the counters know now, and from two looks at
// a counter its rate. Pure but for what it remembers of the look before.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/registry/registry.h"

namespace remora::server {

// What was counted of one server since it was added.
struct ServerNumbers {
  std::string pool;
  std::string id;
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  // Of late; nullopt where nothing was measured.
  std::optional<double> p50_ms = {};
  std::optional<double> p99_ms = {};
};

class Stats {
 public:
  // Rates are taken over at least so long; until then those of before are told again.
  static constexpr std::chrono::milliseconds kMinInterval{500};
  // A rate over a longer time would not be one of now.
  static constexpr std::chrono::seconds kMaxInterval{10};

  // One JSON object. Numbers that are not known are left out, rates until there are two looks.
  // `more`: the registry has further servers, which are not among `servers`.
  std::string Look(const std::vector<proxy::ServerView>& servers, bool more,
                   const std::vector<ServerNumbers>& numbers, proxy::TimePoint now,
                   proxy::WallTime time);

  // Further members of the object, the same each time: JSON members with a comma at the end.
  void SetConstant(std::string members) { constant_ = std::move(members); }

 private:
  struct Seen {
    std::uint64_t requests = 0;
    std::optional<double> rate;  // requests a second
  };

  void UpdateRates(const std::vector<ServerNumbers>& numbers, proxy::TimePoint now);

  std::string constant_;
  std::map<std::pair<std::string, std::string>, Seen> seen_;  // by pool and id
  proxy::TimePoint seen_at_;
};

}  // namespace remora::server
