#include "server/admin/admin.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "server/admin/metrics.h"

namespace remora::server {
namespace {

using Handle = HttpAnswer (*)(const AdminContext&, const HttpRequest&);

struct Route {
  std::string_view path;
  Handle handle;
};

constexpr unsigned kOk = 200;
constexpr unsigned kUnavailable = 503;

HttpAnswer Livez(const AdminContext&, const HttpRequest&) { return {.body = "ok\n"}; }

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

HttpAnswer Readyz(const AdminContext& context, const HttpRequest& request) {
  // Asked once, so that status and text can't disagree more than a moment.
  const std::string reasons = Reasons(context.readiness);
  HttpAnswer answer{.status = reasons.empty() ? kOk : kUnavailable,
                    .body = reasons.empty() ? "ok\n" : reasons};
  if (Verbose(request.query)) answer.body = Checks(context.readiness);
  return answer;
}

HttpAnswer Startupz(const AdminContext& context, const HttpRequest&) {
  if (context.readiness.started()) return {.body = "ok\n"};
  return {.status = kUnavailable, .body = Reasons(context.readiness)};
}

HttpAnswer Metrics(const AdminContext& context, const HttpRequest& request) {
  MetricsInput input;
  if (context.metrics) input = context.metrics();
  input.limit_hits = &context.limit_hits;
  const MetricsFormat format = FormatFor(request.accept);
  return {.content_type = std::string(ContentType(format)), .body = RenderMetrics(input, format)};
}

constexpr Route kRoutes[] = {
    {"/livez", Livez},
    {"/readyz", Readyz},
    {"/startupz", Startupz},
    {"/metrics", Metrics},
};

HttpAnswer JsonError(unsigned status, std::string_view reason) {
  return {.status = status,
          .content_type = "application/json",
          .body = R"({"reason":")" + std::string(reason) + "\"}\n"};
}

}  // namespace

HttpAnswer AnswerAdmin(const AdminContext& context, const HttpRequest& request) {
  const auto* const route = std::ranges::find(kRoutes, request.path, &Route::path);
  if (route == std::end(kRoutes)) return JsonError(404, "not_found");
  if (request.method != "GET" && request.method != "HEAD") {
    HttpAnswer answer = JsonError(405, "method_not_allowed");
    answer.allow = "GET, HEAD";
    return answer;
  }
  return route->handle(context, request);
}

}  // namespace remora::server
