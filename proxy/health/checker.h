// Probes every backend of the registry at its pool's interval and reports what the results make of
// its state. Follows the registry: new backends are probed at once, removed ones no more.
//
// Threads: the control loop's. Lifetime: the registry and the settings outlive it; Stop first, then
// let the loop run out (or destroy it after the loop).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/settings.h"
#include "proxy/health/health_state.h"
#include "proxy/health/probe.h"
#include "proxy/net/loop.h"
#include "proxy/registry/change_listener.h"
#include "proxy/registry/registry.h"

namespace remora::proxy {

class HealthChecker {
 public:
  // `on_unreachable(uid)` is called when a probe found no connection.
  using OnUnreachable = std::function<void(const std::string& uid)>;
  // Makes one probe; another than `Probe` is for tests.
  using MakeProbe = std::function<net::Awaitable<ProbeResult>(
      net::Loop& loop, const Backend& backend, const PoolSettings& pool, std::size_t start)>;
  HealthChecker(net::Loop& loop, Registry& registry, const std::vector<PoolSettings>& pools,
                OnUnreachable on_unreachable, MakeProbe make_probe = Probe);
  ~HealthChecker();

  void Start();
  // Cuts the probes that are under way.
  void Stop();

  // Something says that its state may have changed: probe it now, not at the next interval, but at
  // most once a second.
  void Recheck(std::string_view uid);

 private:
  struct Watched;
  struct Shared;
  class Turn;
  void Sync();
  // One a backend, until it is removed: probe, report, wait.
  static net::Awaitable<> Watch(std::shared_ptr<Shared> shared, std::shared_ptr<Watched> watched);
  static net::Awaitable<> ProbeInTurn(Shared& shared, const std::shared_ptr<Watched>& watched);
  static void Report(Shared& shared, Watched& watched, const ProbeResult& result);

  net::Loop& loop_;
  Registry& registry_;
  const std::vector<PoolSettings>& pools_;
  std::shared_ptr<Shared> shared_;
  std::map<std::string, std::shared_ptr<Watched>, std::less<>> watched_;  // by uid
  std::optional<std::uint64_t> synced_;  // `members` of the snapshot that watched_ is of
  std::mt19937 random_;
  std::unique_ptr<ChangeListener> changes_;
};

}  // namespace remora::proxy
