#include "proxy/proxy.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/base/heap.h"
#include "proxy/base/log.h"
#include "proxy/health/checker.h"
#include "proxy/net/listener.h"
#include "proxy/net/timer.h"
#include "proxy/registry/change_listener.h"
#include "proxy/upstream/resolver.h"
#include "proxy/worker.h"

namespace remora::proxy {
namespace {

// Descriptors that are not for client connections: listeners, control, admin, logs, probes.
constexpr std::uint64_t kReservedDescriptors = 512;
constexpr std::chrono::seconds kCutAgain{1};

// Each client connection may need one to a backend; idle ones don't, so more than half may be
// clients'.
std::uint64_t ConnectionLimit(std::uint32_t configured) {
  if (configured != 0) return configured;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const std::uint64_t usable = limit.rlim_cur > 2 * kReservedDescriptors
                                   ? limit.rlim_cur - kReservedDescriptors
                                   : limit.rlim_cur / 2;
  return std::max<std::uint64_t>(1, usable * 3 / 5);
}

std::vector<std::string> PoolNames(const ProxySettings& settings) {
  std::vector<std::string> names;
  for (const PoolSettings& pool : settings.pools) names.push_back(pool.name);
  return names;
}

ProxySettings WithViaName(ProxySettings settings) {
  if (settings.via_name.empty()) {
    std::random_device random;
    settings.via_name = absl::StrCat("remora-", absl::Hex(random(), absl::kZeroPad8),
                                     absl::Hex(random(), absl::kZeroPad8));
  }
  return settings;
}

}  // namespace

class Proxy::Impl final : public BackendEvents {
 public:
  Impl(ProxySettings settings, net::Loop& control, AccessLog* access_log)
      : settings_(WithViaName(std::move(settings))),
        control_(control),
        access_log_(access_log),
        metrics_(PoolNames(settings_), settings_.workers),
        registry_(PoolNames(settings_), this,
                  {.counters = &metrics_.servers(), .events = &events_}),
        checker_(control, registry_, settings_.pools,
                 [this](const std::string& uid) { resolver_.ResolveSoon(uid); }),
        resolver_(control, registry_, [this](const std::string& uid) { checker_.Recheck(uid); }),
        cut_timer_(control),
        deadline_(control) {
    budget_.limit = ConnectionLimit(settings_.max_connections);
  }

  ~Impl() override {
    if (subscription_ != 0) registry_.Unsubscribe(subscription_);
    changes_.reset();
    checker_.Stop();
    resolver_.Stop();
    cut_timer_.Cancel();
    deadline_.Cancel();
    workers_.clear();  // joins
  }

  Registry& registry() { return registry_; }
  const ProxySettings& settings() const { return settings_; }
  const std::vector<std::string>& addresses() const { return addresses_; }
  const LimitHits& limit_hits() const { return hits_; }
  Metrics& metrics() { return metrics_; }
  EventLog& events() { return events_; }
  std::uint64_t connections() const { return budget_.open.load(std::memory_order_relaxed); }

  absl::Status Start() {
    for (std::uint32_t i = 0; i < settings_.workers; ++i) {
      workers_.push_back(
          std::make_unique<Worker>(settings_, registry_, budget_, hits_, metrics_, i, access_log_));
    }
    for (const ListenerSettings& listener : settings_.listeners) {
      if (absl::Status status = OpenListener(listener); !status.ok()) return status;
    }
    // Workers are woken by each change; they look at the generation and do nothing twice.
    subscription_ = registry_.Subscribe([this] {
      for (auto& worker : workers_) worker->OnChange();
    });
    changes_ = std::make_unique<ChangeListener>(
        registry_, [this](std::function<void()> task) { control_.Post(std::move(task)); },
        [this] { CutOverdue(); });
    resolver_.Start();
    checker_.Start();
    for (auto& worker : workers_) {
      worker->Start([this] { control_.Post(ReleaseHeap); });
    }
    return absl::OkStatus();
  }

  std::vector<ListenerView> listeners() const {
    std::vector<ListenerView> views;
    for (std::size_t i = 0; i < settings_.listeners.size(); ++i) {
      const ListenerSettings& settings = settings_.listeners[i];
      ListenerView view{
          .address = addresses_[i], .pool = settings.pool, .direction = settings.direction};
      bool closed = true;
      for (const auto& worker : workers_) {
        closed = worker->closed(i) && closed;
        view.connections += worker->connections(i);
      }
      using enum ListenerView::State;
      view.state = !IsDraining(settings.direction) ? kAccepting : closed ? kClosed : kDraining;
      views.push_back(std::move(view));
    }
    return views;
  }

  void BeginDrain(DrainScope scope) {
    NoteDraining(scope);
    for (auto& worker : workers_) worker->BeginDrain(scope);
  }

  void Finish(DrainScope scope, Duration deadline, std::function<void(bool)> done) {
    NoteDraining(scope);
    finishing_ = std::make_shared<Finishing>(
        Finishing{.scope = scope, .busy_workers = workers_.size(), .done = std::move(done)});
    for (auto& worker : workers_) {
      worker->Finish(scope, [this, finishing = std::weak_ptr<Finishing>(finishing_)] {
        control_.Post([this, finishing] {
          if (!finishing.expired()) OnWorkerIdle();
        });
      });
    }
    deadline_.ExpireAfter(deadline);
    deadline_.OnExpiry([this] { Cut(); });
  }

  void Cut() {
    if (finishing_ == nullptr) return;
    finishing_->cut = true;
    for (auto& worker : workers_) worker->CutAll(finishing_->scope);
  }

 private:
  // A Finish that is not done yet.
  struct Finishing {
    DrainScope scope;
    std::size_t busy_workers;
    std::function<void(bool)> done;
    bool cut = false;
  };

  void NoteDraining(DrainScope scope) {
    draining_inbound_ = true;
    if (scope == DrainScope::kAll) draining_outbound_ = true;
  }

  bool IsDraining(Direction direction) const {
    return direction == Direction::kInbound ? draining_inbound_ : draining_outbound_;
  }

  // Port 0 is chosen by the first worker; the others share what it got.
  absl::Status OpenListener(const ListenerSettings& settings) {
    auto address = net::ParseListenAddress(settings.address);
    if (!address.ok()) return address.status();
    if (workers_.size() > 1 && address->port() != 0) {
      // SO_REUSEPORT would let another process of ours share the port without a word.
      const auto exclusive = net::Listener::Open(control_, *address, /*share_port=*/false);
      if (!exclusive.ok()) return exclusive.status();
    }
    for (auto& worker : workers_) {
      auto bound = worker->OpenListener(settings, *address);
      if (!bound.ok()) return bound.status();
      address = *bound;
    }
    addresses_.push_back(address->ToString());
    return absl::OkStatus();
  }

  // On any thread.
  void OnDrained(const Backend& backend) override {
    control_.Post([this, alive = std::weak_ptr<bool>(alive_), uid = backend.uid()] {
      if (!alive.expired()) registry_.EraseDrained(uid);
    });
  }

  void OnConnectFailed(const Backend& backend) override {
    control_.Post([this, alive = std::weak_ptr<bool>(alive_), uid = backend.uid()] {
      if (alive.expired()) return;
      resolver_.ResolveSoon(uid);
      checker_.Recheck(uid);
    });
  }

  // Cuts removed backends whose deadline has passed, and comes back at the next deadline. Again a
  // second later, as a connection may just have been under way.
  void CutOverdue() {
    const TimePoint now = Clock::now();
    std::optional<TimePoint> next;
    for (const Registry::Draining& draining : registry_.DrainingBackends()) {
      TimePoint due = draining.deadline;
      if (due <= now) {
        for (auto& worker : workers_) worker->Cut(draining.backend);
        due = now + kCutAgain;
      }
      next = next ? std::min(*next, due) : due;
    }
    if (!next) return;
    cut_timer_.ExpireAt(*next);
    cut_timer_.OnExpiry([this] { CutOverdue(); });
  }

  void OnWorkerIdle() {
    if (--finishing_->busy_workers != 0) return;
    deadline_.Cancel();
    const auto finished = std::exchange(finishing_, nullptr);
    if (finished->scope == DrainScope::kAll) StopAll();
    if (finished->done) finished->done(!finished->cut);
  }

  void StopAll() {
    checker_.Stop();
    resolver_.Stop();
    changes_.reset();
    cut_timer_.Cancel();
    registry_.Unsubscribe(std::exchange(subscription_, 0));
    for (auto& worker : workers_) worker->Join();
  }

  const ProxySettings settings_;
  net::Loop& control_;
  AccessLog* const access_log_;
  Metrics metrics_;
  EventLog events_;
  Registry registry_;
  HealthChecker checker_;
  Resolver resolver_;
  ConnectionBudget budget_;
  LimitHits hits_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::string> addresses_;
  std::uint64_t subscription_ = 0;
  std::unique_ptr<ChangeListener> changes_;
  net::Timer cut_timer_;
  net::Timer deadline_;
  std::shared_ptr<Finishing> finishing_;
  std::atomic<bool> draining_inbound_ = false;
  std::atomic<bool> draining_outbound_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Proxy::Proxy(ProxySettings settings, net::Loop& control, AccessLog* access_log)
    : impl_(std::make_unique<Impl>(std::move(settings), control, access_log)) {}

Proxy::~Proxy() = default;

Registry& Proxy::registry() { return impl_->registry(); }
const ProxySettings& Proxy::settings() const { return impl_->settings(); }
absl::Status Proxy::Start() { return impl_->Start(); }
std::vector<std::string> Proxy::listener_addresses() const { return impl_->addresses(); }
std::uint64_t Proxy::connections() const { return impl_->connections(); }
const LimitHits& Proxy::limit_hits() const { return impl_->limit_hits(); }
Metrics& Proxy::metrics() { return impl_->metrics(); }
EventLog& Proxy::events() { return impl_->events(); }
std::vector<ListenerView> Proxy::listeners() const { return impl_->listeners(); }
void Proxy::BeginDrain(DrainScope scope) { impl_->BeginDrain(scope); }
void Proxy::Finish(DrainScope scope, Duration deadline, std::function<void(bool)> done) {
  impl_->Finish(scope, deadline, std::move(done));
}
void Proxy::Cut() { impl_->Cut(); }

}  // namespace remora::proxy
