#include "server/reload.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "proxy/base/abseil.h"
#include "proxy/base/log.h"
#include "proxy/base/status.h"
#include "server/config/print.h"

namespace remora::server {
namespace {

// A log line has 4096 bytes; one that is longer loses all of it.
constexpr std::size_t kMaxShown = 1500;
constexpr std::size_t kMaxNames = 20;

bool HasPool(const Config& config, const std::string& name) {
  return std::ranges::find(config.proxy.pools, name, &proxy::PoolSettings::name) !=
         config.proxy.pools.end();
}

// The first few, and how many more there are.
std::string Listed(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kMaxNames);
  std::string list =
      absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", ");
  if (shown < names.size()) absl::StrAppend(&list, " and ", names.size() - shown, " more");
  return Shown(list, kMaxShown);
}

std::string_view Verb(proxy::ServerChange::Kind kind) {
  switch (kind) {
    case proxy::ServerChange::Kind::kAdd:
      return "added";
    case proxy::ServerChange::Kind::kUpdate:
      return "updated";
    case proxy::ServerChange::Kind::kReplace:
      return "replaced";
    case proxy::ServerChange::Kind::kRemove:
      return "removed";
  }
  return "changed";
}

std::string Described(const proxy::ReplaceResult& result) {
  std::vector<std::string> changes;
  for (const proxy::ServerChange& change : result.changes) {
    changes.push_back(absl::StrCat(ToAbsl(Verb(change.kind)), " ", change.pool, "/", change.id));
  }
  return changes.empty() ? "none" : Listed(changes);
}

}  // namespace

std::vector<std::string> SettingsThatNeedRestart(const Config& running, const Config& next) {
  const std::map<std::string, std::string> before = SettingsByPath(running);
  const std::map<std::string, std::string> after = SettingsByPath(next);
  std::vector<std::string> changed;
  for (const auto& [path, value] : before) {
    const auto found = after.find(path);
    if (found == after.end() || found->second != value) changed.push_back(path);
  }
  for (const auto& [path, value] : after) {
    if (!before.contains(path)) changed.push_back(path);
  }
  std::ranges::sort(changed);
  return changed;
}

std::vector<ListedServer> ServersToRun(const Config& running, const Config& next) {
  std::vector<ListedServer> servers;
  for (const ListedServer& server : next.servers) {
    if (HasPool(running, server.pool)) servers.push_back(server);
  }
  for (const ListedServer& server : running.servers) {
    if (!HasPool(next, server.pool)) servers.push_back(server);
  }
  return servers;
}

std::vector<proxy::DesiredServer> Desired(const std::vector<ListedServer>& servers) {
  std::vector<proxy::DesiredServer> desired;
  desired.reserve(servers.size());
  for (const ListedServer& server : servers) {
    desired.push_back({.pool = server.pool, .id = server.id, .spec = server.spec});
  }
  return desired;
}

Reloader::Reloader(Load load, Config running, proxy::Registry& registry, Readiness& readiness)
    : load_(std::move(load)),
      running_(std::move(running)),
      registry_(registry),
      readiness_(readiness) {
  absl::MutexLock lock(&mu_);
  stats_.last_success_time = proxy::WallClock::now();
}

bool Reloader::Reload(std::string_view cause) {
  const proxy::TimePoint start = proxy::Clock::now();
  absl::StatusOr<Config> next = load_();
  if (!next.ok()) return Failed(cause, next.status());
  const absl::StatusOr<proxy::ReplaceResult> result = Apply(*next);
  if (!result.ok()) return Failed(cause, result.status());
  Succeeded();
  std::vector<std::string> waiting = SettingsThatNeedRestart(running_, *next);
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(proxy::Clock::now() - start);
  log::Info("configuration reloaded", {{"cause", cause},
                                       {"config", running_.file.empty() ? "none" : running_.file},
                                       {"servers", running_.servers.size()},
                                       {"changes", Described(*result)},
                                       {"need_restart", waiting.size()},
                                       {"took_ms", took.count()}});
  for (const std::string& warning : next->warnings) log::Warn(warning);
  if (!waiting.empty() && waiting != told_) {
    log::Warn("changed settings need a restart and are not in effect",
              {{"settings", Listed(waiting)}});
  }
  told_ = std::move(waiting);
  return true;
}

absl::StatusOr<proxy::ReplaceResult> Reloader::Apply(const Config& next) {
  std::vector<ListedServer> servers = ServersToRun(running_, next);
  auto result = registry_.Replace("config", Desired(servers));
  if (result.ok()) {
    running_.servers = std::move(servers);
    running_.file = next.file;
  }
  return result;
}

bool Reloader::Failed(std::string_view cause, const absl::Status& status) {
  const std::vector<std::string> problems = absl::StrSplit(status.message(), '\n');
  std::string told = problems.front();
  if (problems.size() > 1) absl::StrAppend(&told, " (and ", problems.size() - 1, " more)");
  {
    absl::MutexLock lock(&mu_);
    ++stats_.failures;
    stats_.last_ok = false;
  }
  readiness_.ConfigProblem("the last reload changed nothing: " + Shown(told, kMaxShown));
  log::Error("configuration not reloaded, nothing has changed",
             {{"cause", cause},
              {"problems", Shown(absl::StrJoin(problems, "; "), kMaxShown)},
              {"detail", "remorad --validate shows all of it"}});
  return false;
}

void Reloader::Succeeded() {
  readiness_.ConfigProblem({});
  absl::MutexLock lock(&mu_);
  ++stats_.successes;
  stats_.last_ok = true;
  stats_.last_success_time = proxy::WallClock::now();
}

ReloadStats Reloader::stats() const {
  absl::MutexLock lock(&mu_);
  return stats_;
}

}  // namespace remora::server
