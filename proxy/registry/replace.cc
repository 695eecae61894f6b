// Registry::Replace: what an owner wants against what it has.
#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proxy/base/abseil.h"
#include "proxy/base/log.h"
#include "proxy/base/status.h"
#include "proxy/registry/registry.h"

namespace remora::proxy {
namespace {

using Kind = ServerChange::Kind;

// The same error with the place of the server before each field.
absl::Status AtServer(std::size_t index, const absl::Status& status) {
  std::vector<FieldViolation> violations = ViolationsOf(status);
  if (violations.empty()) {
    return MakeStatus(status.code(), ReasonOf(status),
                      absl::StrCat("servers[", index, "]: ", status.message()));
  }
  for (FieldViolation& violation : violations) {
    violation.field = absl::StrCat("servers[", index, "].", violation.field);
  }
  return InvalidFields(violations);
}

}  // namespace

absl::StatusOr<ReplaceResult> Registry::Replace(std::string_view owner,
                                                std::vector<DesiredServer> desired,
                                                const ReplaceOptions& options) {
  if (absl::Status status = CheckDrainTimeout(options.drain_timeout); !status.ok()) return status;
  absl::StatusOr<DesiredMap> checked = CheckDesired(std::move(desired));
  if (!checked.ok()) return checked.status();
  absl::StatusOr<ReplaceResult> plan;
  {
    absl::MutexLock lock(&mu_);
    if (options.if_revision != 0 && options.if_revision != revision_) {
      return MakeStatus(
          absl::StatusCode::kAborted, "REVISION_CHANGED",
          absl::StrFormat("the registry has revision %d and not %d: something changed "
                          "meanwhile; list the servers again and decide anew",
                          revision_, options.if_revision));
    }
    plan = PlanReplace(owner, *checked);
    if (!plan.ok() || options.dry_run || plan->changes.empty()) return plan;
    ApplyReplace(owner, *plan, *checked, options.drain_timeout);
    plan->revision = revision_;
    Publish();
  }
  Notify();
  const log::Together together;
  for (const ServerChange& change : plan->changes) TellChange(owner, change);
  return plan;
}

void Registry::TellChange(std::string_view owner, const ServerChange& change) const {
  ServerView server;
  server.pool = change.pool;
  server.id = change.id;
  const std::string by = absl::StrCat(" by ", ToAbsl(owner));
  switch (change.kind) {
    case Kind::kAdd:
      return Tell("server", server, "", StateName(ServerState::kWarming), "added" + by);
    case Kind::kUpdate:
      return Tell("server", server, "", "", "its spec was changed" + by);
    case Kind::kReplace:
      return Tell("server", server, "", StateName(ServerState::kWarming), "has another url" + by);
    case Kind::kRemove:
      return Tell("drain", server, "", StateName(ServerState::kDraining), "removed" + by);
  }
}

absl::StatusOr<Registry::DesiredMap> Registry::CheckDesired(
    std::vector<DesiredServer> desired) const {
  DesiredMap checked;
  for (std::size_t i = 0; i < desired.size(); ++i) {
    DesiredServer& server = desired[i];
    absl::StatusOr<Checked> one = Check(server.pool, server.id, std::move(server.spec));
    if (!one.ok()) return AtServer(i, one.status());
    Key key = one->key;
    if (!checked.emplace(std::move(key), *std::move(one)).second) {
      return InvalidFields({{absl::StrCat("servers[", i, "].id"),
                             "is the id of an earlier one in the list; give it another"}});
    }
  }
  return checked;
}

absl::StatusOr<ReplaceResult> Registry::PlanReplace(std::string_view owner,
                                                    const DesiredMap& desired) const {
  ReplaceResult plan{.changes = {}, .unchanged = 0, .revision = revision_};
  std::size_t added = 0;
  std::size_t gone = 0;
  const auto leave = [&](const Record& record) {
    if (record.backend->admission().Load().active() == 0) ++gone;
  };
  for (const auto& [key, record] : live_) {
    if (record.view.owner != owner || desired.contains(key)) continue;
    leave(record);
    plan.changes.push_back({.kind = Kind::kRemove,
                            .pool = key.first,
                            .id = key.second,
                            .before = record.view.spec,
                            .after = {}});
  }
  for (const auto& [key, wanted] : desired) {
    const auto found = live_.find(key);
    if (found == live_.end()) {
      ++added;
      plan.changes.push_back({.kind = Kind::kAdd,
                              .pool = key.first,
                              .id = key.second,
                              .before = {},
                              .after = wanted.spec});
      continue;
    }
    const ServerView& view = found->second.view;
    if (view.owner != owner) {
      return MakeStatus(
          absl::StatusCode::kAlreadyExists, "SERVER_OF_ANOTHER_OWNER",
          absl::StrFormat("server '%s' of pool '%s' belongs to '%s'; remove it there first or "
                          "choose another id",
                          key.second, key.first, Shown(view.owner, 63)));
    }
    if (view.spec == wanted.spec) {
      ++plan.unchanged;
      continue;
    }
    const bool same_url = view.spec.url == wanted.spec.url;
    if (!same_url) {
      ++added;
      leave(found->second);
    }
    plan.changes.push_back({.kind = same_url ? Kind::kUpdate : Kind::kReplace,
                            .pool = key.first,
                            .id = key.second,
                            .before = view.spec,
                            .after = wanted.spec});
  }
  // Those that leave while requests run stay until these have ended.
  const std::size_t after = live_.size() + draining_.size() + added - gone;
  if (added > 0 && after > kMaxServers) {
    return MakeStatus(absl::StatusCode::kResourceExhausted, "REGISTRY_FULL",
                      absl::StrFormat("the registry would hold %d servers, those that drain "
                                      "included, and its limit is %d; remove some first",
                                      after, kMaxServers));
  }
  std::ranges::sort(plan.changes, {},
                    [](const ServerChange& change) { return std::tie(change.pool, change.id); });
  return plan;
}

void Registry::ApplyReplace(std::string_view owner, const ReplaceResult& plan, DesiredMap& desired,
                            std::chrono::milliseconds drain_timeout) {
  for (const ServerChange& change : plan.changes) {
    const Key key(change.pool, change.id);
    if (change.kind == Kind::kUpdate) {
      ServerView& view = live_.at(key).view;
      view.spec = change.after;
      view.revision = ++revision_;
      continue;
    }
    if (change.kind != Kind::kAdd) {
      StartDrain(live_.find(key), drain_timeout);
    }
    if (change.kind != Kind::kRemove) Insert(std::move(desired.at(key)), owner);
  }
}

}  // namespace remora::proxy
