// Keeps the addresses of backends that have names: looked up when they appear, every 30 s, and soon
// after a failed connect. A failed look-up keeps the addresses of the last good one.
//
// Threads: the control loop's; look-ups run on threads of their own (net/name_lookup.h).
// Lifetime: the registry outlives it. After Stop nothing of it is left in the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/net/loop.h"
#include "proxy/net/name_lookup.h"
#include "proxy/registry/change_listener.h"
#include "proxy/registry/registry.h"

namespace remora::proxy {

class Resolver {
 public:
  // `on_addresses(uid)` is called when a backend's addresses have changed.
  using OnAddresses = std::function<void(const std::string& uid)>;
  Resolver(net::Loop& loop, Registry& registry, OnAddresses on_addresses);
  ~Resolver();

  void Start();
  void Stop();

  // A connect has failed; the name may have moved. At most one look-up a second comes of it.
  void ResolveSoon(std::string_view uid);

 private:
  struct Watched;
  void Sync();
  void LookUp(Watched& watched);
  void OnResult(const std::string& uid, const net::NameLookup::Result& result);
  void ScheduleNext(Watched& watched, Duration wait);

  net::Loop& loop_;
  Registry& registry_;
  const OnAddresses on_addresses_;
  std::map<std::string, std::unique_ptr<Watched>, std::less<>> watched_;  // by uid
  std::optional<std::uint64_t> synced_;  // `members` of the snapshot that watched_ is of
  std::unique_ptr<ChangeListener> changes_;
  std::unique_ptr<net::NameLookup> lookup_;
  // Expires with this, for what is still on its way here.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace remora::proxy
