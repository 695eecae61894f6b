#include "server/telemetry.h"

#include <chrono>

#include "server/version.h"

namespace remora::server {
namespace {

constexpr std::chrono::seconds kStep{5};

proxy::Duration Seconds(double seconds) {
  return std::chrono::duration_cast<proxy::Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

void SampleWindow::Add(std::vector<proxy::ServerTable::Row> rows) {
  Sample sample;
  for (proxy::ServerTable::Row& row : rows) {
    sample.emplace(std::pair(std::move(row.pool), std::move(row.server)), row.values);
  }
  samples_.push_back(std::move(sample));
  if (samples_.size() > kSamples) samples_.pop_front();
}

SampleWindow::ByServer SampleWindow::Values() const {
  ByServer values;
  if (samples_.empty()) return values;
  for (const auto& [name, now] : samples_.back()) {
    proxy::HistogramValues duration = now.duration;
    const auto before = samples_.front().find(name);
    // A name that was forgotten and has come back begins at 0 again.
    if (before != samples_.front().end() && duration.Contains(before->second.duration)) {
      duration -= before->second.duration;
    }
    if (duration.Count() == 0) continue;
    RecentLatency& recent = values[name];
    recent.p50 = Seconds(duration.Quantile(0.5));
    recent.p99 = Seconds(duration.Quantile(0.99));
  }
  return values;
}

Telemetry::Telemetry(proxy::net::Loop& loop, proxy::Proxy& proxy,
                     const proxy::AccessLog* access_log)
    : proxy_(proxy), access_log_(access_log), timer_(loop) {}

void Telemetry::Start() {
  TakeSample();
  Wait();
}

void Telemetry::Stop() {
  stopped_ = true;  // the timer may have fired already
  TellLimits();
  timer_.Cancel();
}

void Telemetry::Wait() {
  timer_.ExpireAfter(kStep);
  timer_.OnExpiry([this] {
    TakeSample();
    Wait();
  });
}

void Telemetry::TakeSample() {
  window_.Add(proxy_.metrics().servers().Collect(proxy::Clock::now()));
  auto recent = window_.Values();
  TellLimits();
  absl::MutexLock lock(&mu_);
  recent_ = std::move(recent);
}

void Telemetry::TellLimits() {
  for (proxy::Event& event : limits_.Look(proxy_.limit_hits())) {
    proxy_.events().Add(std::move(event));
  }
}

std::optional<ServerCounters> Telemetry::CountersOf(std::string_view pool,
                                                    std::string_view id) const {
  const std::optional<proxy::ServerValues> now = proxy_.metrics().servers().Get(pool, id);
  if (!now) return std::nullopt;
  return CountersOf(std::string(pool), std::string(id), *now);
}

std::vector<Telemetry::Row> Telemetry::AllCounters() const {
  std::vector<Row> all;
  for (const auto& row : proxy_.metrics().servers().Collect(proxy::Clock::now())) {
    all.push_back({.pool = row.pool,
                   .server = row.server,
                   .counters = CountersOf(row.pool, row.server, row.values)});
  }
  return all;
}

ServerCounters Telemetry::CountersOf(const std::string& pool, const std::string& id,
                                     const proxy::ServerValues& now) const {
  ServerCounters counters{
      .requests = now.Requests(), .failures = now.failed_requests, .p50 = {}, .p99 = {}};
  absl::MutexLock lock(&mu_);
  const auto found = recent_.find(std::pair(pool, id));
  if (found != recent_.end()) {
    counters.p50 = found->second.p50;
    counters.p99 = found->second.p99;
  }
  return counters;
}

MetricsInput Telemetry::Collect() {
  MetricsInput input;
  input.values = proxy_.metrics().Collect(proxy::Clock::now());
  auto page = proxy_.registry().List("", std::nullopt, proxy::Registry::kMaxServers);
  if (page.ok()) {
    input.servers = std::move(page->servers);
    input.revision = page->revision;
  }
  input.downstream_open = proxy_.connections();
  if (access_log_ != nullptr) {
    input.access_lines = access_log_->lines();
    input.access_dropped = access_log_->dropped();
  }
  input.events = proxy_.events().Counts();
  input.process = ReadProcessStats();
  input.version = Version();
  input.commit = Commit();
  return input;
}

}  // namespace remora::server
