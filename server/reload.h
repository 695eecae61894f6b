// Reading the configuration again while the daemon runs.
//
// Only the servers change; every other setting that differs is named in the log and waits for a
// restart. A configuration with an error changes nothing.
// Threads: one (the control thread) reloads; `stats` may be asked from any. Lifetime: registry and
// readiness outlive it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "proxy/registry/registry.h"
#include "server/config/config.h"
#include "server/readiness.h"
#include "server/reload_stats.h"

namespace remora::server {

// The settings, servers aside, in which `next` differs from what runs, by path.
std::vector<std::string> SettingsThatNeedRestart(const Config& running, const Config& next);

// The servers that are wanted while the pools stay as they are: those of `next` in the pools that
// run, and those that run in a pool that `next` does not have.
std::vector<ListedServer> ServersToRun(const Config& running, const Config& next);

// Of the registry.
std::vector<proxy::DesiredServer> Desired(const std::vector<ListedServer>& servers);

class Reloader {
 public:
  // `load` reads the same sources as at the start; `running` is what the daemon was started with.
  using Load = std::function<absl::StatusOr<Config>()>;
  Reloader(Load load, Config running, proxy::Registry& registry, Readiness& readiness);

  // `cause`: "SIGHUP" or "file", for the log. False where nothing could be changed.
  bool Reload(std::string_view cause);

  // What is in effect: the settings of the start with the servers of the last good reload.
  const Config& running() const { return running_; }

  ReloadStats stats() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::StatusOr<proxy::ReplaceResult> Apply(const Config& next);
  bool Failed(std::string_view cause, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);
  void Succeeded() ABSL_LOCKS_EXCLUDED(mu_);

  const Load load_;
  Config running_;
  proxy::Registry& registry_;
  Readiness& readiness_;
  std::vector<std::string> told_;  // what needs a restart, as last logged

  mutable absl::Mutex mu_;
  ReloadStats stats_ ABSL_GUARDED_BY(mu_);
};

}  // namespace remora::server
