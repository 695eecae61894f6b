// Keeps the addresses of backends that have names: looked up when they appear, every 30 s, and soon
// after a failed connect. A failed look-up keeps the addresses of the last good one.
//
// Threads: the control loop's (look-ups run in a thread that Asio has for them, never on a worker).
// Lifetime: the registry outlives it; Stop first, then let the loop run out.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/net/loop.h"
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
  static net::Awaitable<> Watch(net::Loop& loop, Registry& registry, OnAddresses on_addresses,
                                std::shared_ptr<Watched> watched);

  net::Loop& loop_;
  Registry& registry_;
  const OnAddresses on_addresses_;
  std::map<std::string, std::shared_ptr<Watched>, std::less<>> watched_;  // by uid
  std::uint64_t subscription_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace remora::proxy
