#include "server/readiness.h"

#include <algorithm>
#include <utility>

namespace remora::server {

void Readiness::ListenersBound() {
  absl::MutexLock lock(&mu_);
  listeners_bound_ = true;
}

void Readiness::ServersProbed() {
  absl::MutexLock lock(&mu_);
  servers_probed_ = true;
}

void Readiness::ConfigProblem(std::string problem) {
  absl::MutexLock lock(&mu_);
  config_problem_ = std::move(problem);
}

void Readiness::BeginDrain(proxy::DrainScope scope) {
  absl::MutexLock lock(&mu_);
  draining_ = scope;
}

bool Readiness::ready() const {
  return std::ranges::all_of(checks(),
                             [](const Check& check) { return check.passed || !check.fatal; });
}

bool Readiness::started() const {
  absl::MutexLock lock(&mu_);
  return listeners_bound_ && servers_probed_;
}

std::vector<Readiness::Check> Readiness::checks() const {
  absl::MutexLock lock(&mu_);
  const auto check = [](std::string name, bool passed, std::string reason) {
    return Check{.name = std::move(name),
                 .passed = passed,
                 .reason = passed ? std::string() : std::move(reason)};
  };
  return {
      check("servers", servers_probed_, "not each server of the configuration has been probed yet"),
      check("listeners", listeners_bound_, "the data listeners are not bound yet"),
      check("draining", !draining_,
            draining_ == proxy::DrainScope::kInbound ? "inbound draining" : "draining"),
      {.name = "config",
       .passed = config_problem_.empty(),
       .reason = config_problem_,
       .fatal = false}};
}

std::vector<std::string> Readiness::reasons() const {
  std::vector<std::string> reasons;
  for (Check& check : checks()) {
    if (!check.passed && check.fatal) reasons.push_back(std::move(check.reason));
  }
  return reasons;
}

}  // namespace remora::server
