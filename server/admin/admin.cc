#include "server/admin/admin.h"

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proxy/base/abseil.h"
#include "proxy/base/log.h"
#include "server/admin/answers.h"
#include "server/admin/audit.h"
#include "server/admin/dashboard.h"
#include "server/admin/guard.h"
#include "server/admin/json.h"
#include "server/admin/legacy.h"
#include "server/admin/metrics.h"
#include "server/admin/servers.h"

namespace remora::server {
namespace {

// What a path says where the route has a {name}.
struct PathValues {
  std::array<std::string_view, 2> values;  // pool, id
};

using Handle = HttpAnswer (*)(const AdminContext&, const HttpRequest&, const PathValues&);

struct Route {
  std::string_view method;  // GET stands for HEAD as well
  std::string_view path;
  Access access;
  Handle handle;
  bool needs_registry = false;
};

constexpr unsigned kOk = 200;
constexpr unsigned kUnavailable = 503;

HttpAnswer Livez(const AdminContext&, const HttpRequest&, const PathValues&) {
  return {.body = "ok\n"};
}

std::string Reasons(const Readiness& readiness) {
  std::string body;
  for (const std::string& reason : readiness.reasons()) body += reason + "\n";
  return body;
}

// One line a check, as Kubernetes' own /readyz?verbose has them.
std::string Checks(const Readiness& readiness) {
  std::string body;
  for (const Readiness::Check& check : readiness.checks()) {
    if (check.passed) {
      body += "[+]" + check.name + " ok\n";
    } else {
      body += (check.fatal ? "[-]" : "[!]") + check.name + " failed: " + check.reason + "\n";
    }
  }
  return body;
}

bool Verbose(std::string_view query) {
  return query == "verbose" || query == "verbose=true" || query == "verbose=1";
}

HttpAnswer Readyz(const AdminContext& context, const HttpRequest& request, const PathValues&) {
  // Asked once, so that status and text can't disagree more than a moment.
  const std::string reasons = Reasons(context.readiness);
  HttpAnswer answer{.status = reasons.empty() ? kOk : kUnavailable,
                    .body = reasons.empty() ? "ok\n" : reasons};
  if (Verbose(request.query)) answer.body = Checks(context.readiness);
  return answer;
}

HttpAnswer Startupz(const AdminContext& context, const HttpRequest&, const PathValues&) {
  if (context.readiness.started()) return {.body = "ok\n"};
  return {.status = kUnavailable, .body = Reasons(context.readiness)};
}

HttpAnswer Metrics(const AdminContext& context, const HttpRequest& request, const PathValues&) {
  MetricsInput input;
  if (context.metrics) input = context.metrics();
  input.limit_hits = &context.limit_hits;
  const MetricsFormat format = FormatFor(request.accept);
  return {.content_type = std::string(ContentType(format)), .body = RenderMetrics(input, format)};
}

HttpAnswer NotBuilt(std::string_view what) { return ErrorAnswer(501, "not_built", what); }

HttpAnswer Config(const AdminContext& context, const HttpRequest&, const PathValues&) {
  if (!context.config_json) return NotBuilt("this build can't show its configuration");
  return JsonAnswer(context.config_json());
}

HttpAnswer Events(const AdminContext& context, const HttpRequest& request, const PathValues&) {
  if (context.feeds == nullptr) return NotBuilt("this process keeps no events");
  return context.feeds->Events(request);
}

HttpAnswer Stats(const AdminContext& context, const HttpRequest& request, const PathValues&) {
  if (context.feeds == nullptr) return NotBuilt("this process keeps no numbers");
  return context.feeds->Stats(request);
}

HttpAnswer LogLevelAnswer() {
  return JsonAnswer(JsonObject().Text("level", log::LevelName(log::CurrentLevel())).str());
}

HttpAnswer GetLogLevel(const AdminContext&, const HttpRequest&, const PathValues&) {
  return LogLevelAnswer();
}

// The word alone, or {"level": "debug"}.
std::optional<log::Level> ReadLevel(std::string_view body) {
  const std::string_view word = ToStd(absl::StripAsciiWhitespace(ToAbsl(body)));
  if (!word.starts_with('{')) return log::ParseLevel(word);
  boost::system::error_code error;
  const auto value = boost::json::parse({word.data(), word.size()}, error);
  if (error || value.as_object().size() != 1) return std::nullopt;
  const auto* const level = value.as_object().if_contains("level");
  if (level == nullptr || !level->is_string()) return std::nullopt;
  return log::ParseLevel({level->as_string().data(), level->as_string().size()});
}

HttpAnswer PutLogLevel(const AdminContext&, const HttpRequest& request, const PathValues&) {
  const std::optional<log::Level> level = ReadLevel(request.body);
  if (!level) {
    return ErrorAnswer(400, "INVALID_FIELD",
                       R"(send debug, info, warn or error, or {"level": "debug"})");
  }
  // Before the change, so that silence has a line that tells of it.
  Audit(request, {}, log::LevelName(*level));
  log::SetLevel(*level);
  return LogLevelAnswer();
}

HttpAnswer Dashboard(const AdminContext&, const HttpRequest& request, const PathValues&) {
  return AnswerDashboard(request);
}

template <HttpAnswer (*kHandle)(const AdminContext&, const HttpRequest&)>
HttpAnswer Plain(const AdminContext& context, const HttpRequest& request, const PathValues&) {
  return kHandle(context, request);
}

template <HttpAnswer (*kHandle)(const AdminContext&, const HttpRequest&, std::string_view,
                                std::string_view)>
HttpAnswer OneServer(const AdminContext& context, const HttpRequest& request,
                     const PathValues& path) {
  return kHandle(context, request, path.values[0], path.values[1]);
}

constexpr Route kRoutes[] = {
    {"GET", "/", Access::kRead, Dashboard},
    {"GET", "/livez", Access::kProbe, Livez},
    {"GET", "/readyz", Access::kProbe, Readyz},
    {"GET", "/startupz", Access::kProbe, Startupz},
    {"GET", "/metrics", Access::kProbe, Metrics},
    {"GET", "/config", Access::kRead, Config},
    {"GET", "/events", Access::kStream, Events, true},
    {"GET", "/stats", Access::kStream, Stats, true},
    {"GET", "/log-level", Access::kRead, GetLogLevel},
    {"PUT", "/log-level", Access::kChange, PutLogLevel},
    {"GET", "/servers", Access::kRead, Plain<ListServers>, true},
    {"POST", "/servers", Access::kChange, Plain<AddServer>, true},
    {"DELETE", "/servers/{pool}/{id}", Access::kChange, OneServer<RemoveServer>, true},
    {"POST", "/servers/{pool}/{id}/drain", Access::kChange, OneServer<DrainServer>, true},
    {"POST", "/servers/{pool}/{id}/undrain", Access::kChange, OneServer<UndrainServer>, true},
    // Those of the small load balancer that Remora can take the place of.
    {"GET", "/health", Access::kProbe, Plain<LegacyHealth>, true},
    {"GET", "/list", Access::kRead, Plain<LegacyList>, true},
    {"POST", "/addServer", Access::kLegacyChange, Plain<LegacyAdd>, true},
    {"DELETE", "/removeServer", Access::kLegacyChange, Plain<LegacyRemove>, true},
};

// nullopt where `path` is not of the form `pattern`.
std::optional<PathValues> Match(std::string_view pattern, std::string_view path) {
  PathValues found{};
  std::size_t count = 0;
  while (!pattern.empty() && !path.empty()) {
    if (pattern.front() != '{') {
      if (pattern.front() != path.front()) return std::nullopt;
      pattern.remove_prefix(1);
      path.remove_prefix(1);
      continue;
    }
    pattern.remove_prefix(pattern.find('}') + 1);
    found.values[count++] = path.substr(0, path.find('/'));
    path.remove_prefix(found.values[count - 1].size());
    if (found.values[count - 1].empty()) return std::nullopt;
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return found;
}

bool TakesMethod(const Route& route, std::string_view method) {
  return route.method == method || (route.method == "GET" && method == "HEAD");
}

HttpAnswer Answer(const AdminContext& context, const HttpRequest& request, const Route& route,
                  const PathValues& path) {
  if (const auto refusal = CheckAccess(route.access, request, context.allow_mutations)) {
    const bool change = route.access == Access::kChange || route.access == Access::kLegacyChange;
    if (change) Audit(request, {}, refusal->reason);
    return ErrorAnswer(refusal->status, refusal->reason, refusal->message);
  }
  if (route.needs_registry && context.registry == nullptr) {
    return NotBuilt("this process has no servers");
  }
  return route.handle(context, request, path);
}

}  // namespace

HttpAnswer AnswerAdmin(const AdminContext& context, const HttpRequest& request) {
  std::string allow;
  for (const Route& route : kRoutes) {
    const std::optional<PathValues> path = Match(route.path, request.path);
    if (!path) continue;
    if (TakesMethod(route, request.method)) return Answer(context, request, route, *path);
    absl::StrAppend(&allow, allow.empty() ? "" : ", ", ToAbsl(route.method),
                    route.method == "GET" ? ", HEAD" : "");
  }
  if (allow.empty()) {
    return ErrorAnswer(404, "not_found", "there is no such page; the dashboard is at /");
  }
  HttpAnswer answer = ErrorAnswer(405, "method_not_allowed", "allowed are " + allow);
  answer.allow = allow;
  return answer;
}

}  // namespace remora::server
