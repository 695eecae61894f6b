// The whole data plane in this process, on a port of its own, with a control loop on its own
// thread.
//
// Threads: a test's. Destroyed as the contract of proxy.h allows: the proxy on the control thread,
// while probes may be under way.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>

#include "proxy/base/settings.h"
#include "proxy/net/loop.h"
#include "proxy/proxy.h"
#include "tests/support/fake_backend.h"
#include "tests/support/peer.h"

namespace remora::proxy::testing {

// One listener on a free port, one pool "default" without probes.
ProxySettings TestSettings(std::uint32_t workers = 1);

class RunningProxy {
 public:
  explicit RunningProxy(ProxySettings settings = TestSettings());
  ~RunningProxy();
  RunningProxy(const RunningProxy&) = delete;
  RunningProxy& operator=(const RunningProxy&) = delete;

  Proxy& proxy() { return *proxy_; }
  Registry& registry() { return proxy_->registry(); }
  std::uint16_t port() const { return port_; }

  struct Limits {
    std::uint32_t weight = 1;
    std::uint32_t max_active = 0;
  };
  // Adds without waiting. A failure fails the test.
  void Add(std::string_view id, std::string_view url, Limits limits);
  // Adds, and waits until it may be picked.
  void AddActive(std::string_view id, std::string_view url, Limits limits);
  void AddActive(std::string_view id, const FakeBackend& backend) {
    AddActive(id, backend.url(), {.weight = 1, .max_active = 0});
  }
  void AddActive(std::string_view id, const FakeBackend& backend, Limits limits) {
    AddActive(id, backend.url(), limits);
  }
  void Remove(std::string_view id, std::chrono::milliseconds drain_timeout);

  // Running requests of a live server.
  std::uint32_t Active(std::string_view id);
  bool WaitForActive(std::string_view id, std::uint32_t count);
  bool WaitForState(std::string_view id, ServerState state);
  // Requests that run, in all pools, draining servers included.
  std::uint64_t ActiveInAll();
  bool WaitForIdle();

  Peer Connect() const { return Peer::Connect(port_); }
  // One request on a connection of its own.
  Message Ask(std::string_view request) const;
  Message Get(std::string_view path = "/") const;

  void BeginDrain(DrainScope scope);
  // What Proxy::Finish tells when it is done: true if nothing was cut.
  std::future<bool> Finish(DrainScope scope, std::chrono::milliseconds deadline);

  template <class Work>
  std::invoke_result_t<Work> OnControl(Work work) {
    std::packaged_task<std::invoke_result_t<Work>()> task(std::move(work));
    auto result = task.get_future();
    control_.Post([&task] { task(); });
    return result.get();
  }

 private:
  net::Loop control_;
  std::thread thread_;
  std::unique_ptr<Proxy> proxy_;
  std::uint16_t port_ = 0;
};

}  // namespace remora::proxy::testing
