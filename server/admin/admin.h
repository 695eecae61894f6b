// What the admin port answers: a table of routes over the state of the process.
//
// /livez says that the control thread turns; /readyz and /startupz come from Readiness. Threads:
// the control thread. guard.h says who may ask for what.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "proxy/observe/limit_hits.h"
#include "proxy/registry/registry.h"
#include "server/admin/http_server.h"
#include "server/admin/live_feeds.h"
#include "server/admin/metrics.h"
#include "server/readiness.h"

namespace remora::server {

// What routes may look at and change. What is null or empty is answered with 501. Lifetime: all of
// it outlives the server that AnswerAdmin is used in.
struct AdminContext {
  const Readiness& readiness;
  const proxy::LimitHits& limit_hits;
  // Everything that is counted; empty: the limits only.
  std::function<MetricsInput()> metrics = {};
  proxy::Registry* registry = nullptr;
  // What was counted of a server; what ServerStatus of the control API says of it too.
  std::function<std::optional<ServerNumbers>(const proxy::ServerView&)> numbers = {};
  LiveFeeds* feeds = nullptr;
  bool allow_mutations = false;
  // The effective configuration, secrets redacted.
  std::function<std::string()> config_json = {};
  using Drain = std::function<absl::StatusOr<proxy::ServerView>(
      std::string_view pool, std::string_view id, std::optional<std::chrono::milliseconds>)>;
  Drain drain = {};
  using Undrain =
      std::function<absl::StatusOr<proxy::ServerView>(std::string_view pool, std::string_view id)>;
  Undrain undrain = {};
};

HttpAnswer AnswerAdmin(const AdminContext& context, const HttpRequest& request);

}  // namespace remora::server
