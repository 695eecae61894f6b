#include "tests/support/running_proxy.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <utility>

#include "proxy/base/log.h"

namespace remora::proxy::testing {

ProxySettings TestSettings(std::uint32_t workers) {
  ListenerSettings listener;
  listener.address = "127.0.0.1:0";
  PoolSettings pool;
  pool.health_check.probe = ProbeKind::kNone;
  ProxySettings settings;
  settings.workers = workers;
  settings.via_name = "remora";
  settings.listeners.push_back(listener);
  settings.pools.push_back(pool);
  return settings;
}

RunningProxy::RunningProxy(ProxySettings settings) : thread_([this] { control_.Run(); }) {
  std::signal(SIGPIPE, SIG_IGN);  // as the daemon does: see net/pipe.h
  log::Init(log::Level::kError, log::Format::kText);
  const absl::Status started = OnControl([&] {
    proxy_ = std::make_unique<Proxy>(std::move(settings), control_);
    return proxy_->Start();
  });
  EXPECT_TRUE(started.ok()) << started;
  const std::string address = proxy_->listener_addresses().at(0);
  port_ = static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str()));
}

RunningProxy::~RunningProxy() {
  OnControl([this] {
    proxy_.reset();
    control_.Close();
  });
  thread_.join();
}

void RunningProxy::Add(std::string_view id, std::string_view url, Limits limits) {
  const auto added = registry().Add("default", id,
                                    {.url = std::string(url),
                                     .weight = limits.weight,
                                     .max_active = limits.max_active,
                                     .labels = {}},
                                    "api");
  ASSERT_TRUE(added.ok()) << added.status();
}

void RunningProxy::AddActive(std::string_view id, std::string_view url, Limits limits) {
  Add(id, url, limits);
  ASSERT_TRUE(WaitForState(id, ServerState::kActive)) << id;
}

void RunningProxy::Remove(std::string_view id, std::chrono::milliseconds drain_timeout) {
  const auto removed = registry().Remove("default", id, drain_timeout);
  ASSERT_TRUE(removed.ok()) << removed.status();
}

std::uint32_t RunningProxy::Active(std::string_view id) {
  const auto view = registry().Get("default", id);
  return view.ok() ? view->active : 0;
}

bool RunningProxy::WaitForActive(std::string_view id, std::uint32_t count) {
  return Eventually([&] { return Active(id) == count; });
}

bool RunningProxy::WaitForState(std::string_view id, ServerState state) {
  return Eventually([&] {
    const auto view = registry().Get("default", id);
    return view.ok() && view->state == state;
  });
}

std::uint64_t RunningProxy::ActiveInAll() {
  std::uint64_t sum = 0;
  for (const PoolTotals& totals : registry().Totals()) sum += totals.active_requests;
  return sum;
}

bool RunningProxy::WaitForIdle() {
  return Eventually([this] { return ActiveInAll() == 0; });
}

Message RunningProxy::Ask(std::string_view request) const {
  Peer client = Connect();
  client.Send(request);
  return client.ReadResponse(request.starts_with("HEAD"));
}

Message RunningProxy::Get(std::string_view path) const {
  return Ask("GET " + std::string(path) + " HTTP/1.1\r\nHost: example.test\r\n\r\n");
}

void RunningProxy::BeginDrain(DrainScope scope) {
  OnControl([&] { proxy_->BeginDrain(scope); });
}

std::future<bool> RunningProxy::Finish(DrainScope scope, std::chrono::milliseconds deadline) {
  return OnControl([&] {
    auto done = std::make_shared<std::promise<bool>>();
    auto result = done->get_future();
    proxy_->Finish(scope, deadline, [done](bool complete) { done->set_value(complete); });
    return result;
  });
}

}  // namespace remora::proxy::testing
