#include "cli/discovery/reconciler.h"

#include <algorithm>
#include <cstdint>
#include <ranges>
#include <utility>

#include "cli/commands/lookup.h"
#include "cli/proto_time.h"

namespace remora::cli::discovery {
namespace {

// How much later an answer may come than another one without seeming to be of another process.
// Where it is later still, nothing is lost but a look.
constexpr std::chrono::milliseconds kJitter{250};

// The server `key` goes away, or becomes one with another url.
bool IsGone(const ServerKey& key, const Endpoint& present, const ServerSet& wanted) {
  const auto found = wanted.find(key);
  return found == wanted.end() || found->second.url != present.url;
}

bool IsUnprobed(const v1::Server& server) {
  return server.status().state() == v1::ServerStatus::WARMING &&
         !server.status().has_last_probe_time();
}

}  // namespace

Reconciler::Reconciler(Options options)
    : options_(std::move(options)),
      backoff_(options_.first_retry, options_.longest_retry, options_.seed),
      found_(options_.sources),
      probe_pause_(options_.probe_look) {}

void Reconciler::SourceFound(std::size_t source, ServerSet servers, Time now) {
  if (found_[source] == servers) return;
  // What is named again is not missing, were it for a moment only.
  std::erase_if(missing_, [&](const auto& entry) {
    if (!present_) return servers.contains(entry.first);
    const auto present = present_->find(entry.first);
    return present != present_->end() && !IsGone(entry.first, present->second, servers);
  });
  found_[source] = std::move(servers);
  if (!burst_began_) burst_began_ = now;
  settled_at_ = std::min(now + options_.quiet, *burst_began_ + options_.longest_burst);
  status_.sources_known = AllSourcesKnown();
  status_.in_sync = false;
}

void Reconciler::HealthAnswered(const v1::HealthResponse& answer, Time now) {
  in_flight_ = false;
  backoff_.Reset();
  poll_at_ = now + options_.poll;
  const Time started = now - FromProto(answer.uptime());
  // After a restart the revision can be the same by chance.
  const bool restarted = started_ && started > *started_ + kJitter;
  started_ = started;
  if (restarted || answer.revision() != revision_) present_.reset();
}

void Reconciler::ListAnswered(const v1::ListServersResponse& answer, Time now) {
  in_flight_ = false;
  status_.sidecar_up = true;
  poll_at_ = now + options_.poll;
  resync_at_ = now + options_.resync;
  revision_ = answer.revision();
  if (!started_) started_ = now;  // or before
  probe_look_at_ = now + probe_pause_;
  status_.unprobed = 0;
  present_.emplace();
  foreign_.clear();
  for (const v1::Server& server : answer.servers()) {
    if (IsRemoved(server)) continue;
    ServerKey key{.pool = server.pool(), .id = server.id()};
    if (server.owner() == options_.owner) {
      present_->emplace(std::move(key), EndpointOf(server.spec()));
      if (IsUnprobed(server)) ++status_.unprobed;
    } else {
      foreign_.insert(std::move(key));
    }
  }
}

void Reconciler::ReplaceAnswered(Time now) {
  in_flight_ = false;
  backoff_.Reset();
  poll_at_ = now + options_.poll;
  present_ = *std::exchange(sent_, std::nullopt);
  probe_pause_ = options_.probe_look;
  probe_look_at_ = now + probe_pause_;
  status_.unprobed = present_->size();
  // The revision of the answer would hide what others did since the last look.
  revision_.reset();
}

void Reconciler::CallFailed(Time now) {
  in_flight_ = false;
  status_.sidecar_up = false;
  status_.in_sync = false;
  // Whether a call that has failed took effect is not known.
  sent_.reset();
  present_.reset();
  retry_at_ = now + backoff_.Next();
}

Reconciler::Step Reconciler::Next(Time now) {
  if (in_flight_) return {};
  // Whatever else goes on, such as a sidecar that is away again.
  if (now >= first_probes_until_) status_.probed_once = true;
  if (now < retry_at_) return {.until = retry_at_};
  if (!present_ || now >= resync_at_) return Call(Step::Kind::kList);
  Time until = std::min(poll_at_, resync_at_);
  if (burst_began_ && now < settled_at_) {
    until = std::min(until, settled_at_);
  } else if (!options_.only_whole || AllSourcesKnown()) {
    burst_began_.reset();
    Plan plan = MakePlan(now);
    if (plan.servers != *present_) return Replace(std::move(plan.servers), now);
    backoff_.Reset();
    status_.in_sync = true;
    if (status_.sources_known && !std::exchange(status_.synced_once, true)) {
      first_probes_until_ = now + options_.first_probes;
    }
    until = std::min(until, plan.until);
    if (AwaitsFirstProbes(now, until)) return Call(Step::Kind::kList);
  }
  if (now >= poll_at_) return Call(revision_ ? Step::Kind::kHealth : Step::Kind::kList);
  return {.until = until};
}

bool Reconciler::AwaitsFirstProbes(Time now, Time& until) {
  if (!status_.synced_once || status_.probed_once) return false;
  const bool seen = revision_.has_value();  // a look came after our last change
  if ((seen && status_.unprobed == 0) || now >= first_probes_until_) {
    status_.probed_once = true;
    return false;
  }
  until = std::min({until, probe_look_at_, first_probes_until_});
  if (now < probe_look_at_) return false;
  probe_pause_ *= 2;
  return true;
}

Reconciler::Step Reconciler::Call(Step::Kind kind) {
  in_flight_ = true;
  return {.kind = kind};
}

Reconciler::Step Reconciler::Replace(ServerSet servers, Time now) {
  status_.in_sync = false;
  const bool lets_go = holding_ && std::ranges::any_of(*present_, [&](const auto& entry) {
                         return IsGone(entry.first, entry.second, servers);
                       });
  if (lets_go) {
    sizes_.clear();  // what a hold lets go does not count again
  } else {
    sizes_.emplace_back(now, present_->size());
  }
  Step step = Call(Step::Kind::kReplace);
  step.servers = servers;
  sent_ = std::move(servers);
  return step;
}

bool Reconciler::AllSourcesKnown() const {
  return std::ranges::all_of(found_, [](const auto& found) { return found.has_value(); });
}

ServerSet Reconciler::Wanted() {
  ServerSet wanted;
  status_.conflicts.clear();
  for (const auto& found : found_) {
    if (found) wanted.insert(found->begin(), found->end());
  }
  std::erase_if(wanted, [this](const auto& entry) {
    const bool taken = foreign_.contains(entry.first);
    if (taken) status_.conflicts.insert(entry.first);
    return taken;
  });
  return wanted;
}

Reconciler::Plan Reconciler::MakePlan(Time now) {
  const ServerSet wanted = Wanted();
  status_.wanted = wanted.size();
  status_.present = present_->size();
  status_.held = 0;
  missing_ = Missing(wanted, now);
  Plan plan{.servers = wanted};
  if (!AllSourcesKnown()) {
    for (const auto& [key, since] : std::exchange(missing_, {})) Keep(key, plan);
    return plan;
  }
  if (missing_.empty()) holding_ = false;
  if (!holding_) holding_ = IsMassRemoval(wanted, now);
  for (const auto& [key, since] : missing_) {
    const Time may_go = since + options_.hold;
    if (!holding_ || now >= may_go) continue;
    Keep(key, plan);
    plan.until = std::min(plan.until, may_go);
    ++status_.held;
  }
  return plan;
}

void Reconciler::Keep(const ServerKey& key, Plan& plan) const {
  plan.servers.insert_or_assign(key, present_->at(key));
}

std::map<ServerKey, Reconciler::Time> Reconciler::Missing(const ServerSet& wanted, Time now) const {
  std::map<ServerKey, Time> missing;
  for (const auto& [key, endpoint] : *present_) {
    if (!IsGone(key, endpoint, wanted)) continue;
    const auto known = missing_.find(key);
    missing.emplace(key, known == missing_.end() ? now : known->second);
  }
  return missing;
}

bool Reconciler::IsMassRemoval(const ServerSet& wanted, Time now) {
  while (!sizes_.empty() && sizes_.front().first + options_.window <= now) sizes_.pop_front();
  if (options_.hold.count() == 0 || missing_.empty()) return false;
  const std::size_t present = present_->size();
  if (missing_.size() == present && present >= 2) return true;
  std::size_t most = present;
  for (const auto& [when, size] : sizes_) most = std::max(most, size);
  return (present >= options_.guard_least && 2 * missing_.size() > present) ||
         (most >= options_.guard_least && 2 * wanted.size() < most);
}

}  // namespace remora::cli::discovery
