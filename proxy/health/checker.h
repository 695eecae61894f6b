// Probes every backend of the registry at its pool's interval and reports what the results make of
// its state. Follows the registry: new backends are probed at once, removed ones no more.
//
// Threads: the control loop's. Lifetime: the registry and the settings outlive it; Stop first, then
// let the loop run out (or destroy it after the loop).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/settings.h"
#include "proxy/health/health_state.h"
#include "proxy/health/probe.h"
#include "proxy/net/loop.h"
#include "proxy/registry/registry.h"

namespace remora::proxy {

class HealthChecker {
 public:
  HealthChecker(net::Loop& loop, Registry& registry, const std::vector<PoolSettings>& pools);
  ~HealthChecker();

  void Start();
  void Stop();

  // Its addresses have changed: probe it now, not at the next interval.
  void Recheck(std::string_view uid);

 private:
  struct Watched;
  void Sync();
  // One a backend, until it is removed: wait, probe, report.
  static net::Awaitable<> Watch(net::Loop& loop, Registry& registry,
                                std::shared_ptr<Watched> watched);

  net::Loop& loop_;
  Registry& registry_;
  const std::vector<PoolSettings>& pools_;
  std::map<std::string, std::shared_ptr<Watched>, std::less<>> watched_;  // by uid
  std::mt19937 random_;
  std::uint64_t subscription_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace remora::proxy
