#include "server/admin/legacy.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "proxy/base/abseil.h"
#include "proxy/base/status.h"
#include "proxy/registry/backend_url.h"
#include "server/admin/answers.h"
#include "server/admin/audit.h"
#include "server/admin/json.h"

namespace remora::server {
namespace {

namespace json = boost::json;

constexpr std::string_view kPool = "default";
constexpr std::string_view kOwner = "api";

HttpAnswer Success() { return JsonAnswer(R"({"status":"success"})"); }

HttpAnswer Failure(const HttpRequest& request, std::string_view url, unsigned status,
                   std::string_view error) {
  Audit(request, {.pool = std::string(kPool), .id = {}, .url = std::string(url)}, error);
  return JsonAnswer(JsonObject().Text("error", error).str(), status);
}

// nullopt where the body is not an object with a text as its URL. The key may be in either case, as
// the original reads it.
std::optional<std::string> ReadUrl(std::string_view body) {
  boost::system::error_code error;
  const json::value value = json::parse({body.data(), body.size()}, error);
  const json::object* const members = error ? nullptr : value.if_object();
  if (members == nullptr) return std::nullopt;
  for (const auto& [key, member] : *members) {
    if (!absl::EqualsIgnoreCase({key.data(), key.size()}, "url")) continue;
    const json::string* const url = member.if_string();
    if (url == nullptr) return std::nullopt;
    return std::string(url->data(), url->size());
  }
  return std::nullopt;
}

// Of the pool, those that are not removed; empty where there is no such pool.
std::vector<proxy::ServerView> Servers(const proxy::Registry& registry) {
  auto listed = registry.List(kPool, std::nullopt, proxy::Registry::kMaxServers);
  if (!listed.ok()) return {};
  std::vector<proxy::ServerView> servers = std::move(listed->servers);
  std::erase_if(servers, [](const proxy::ServerView& view) {
    return view.state == proxy::ServerState::kDraining && !view.drained;
  });
  return servers;
}

}  // namespace

HttpAnswer LegacyAdd(const AdminContext& context, const HttpRequest& request) {
  const std::optional<std::string> url = ReadUrl(request.body);
  if (!url) return Failure(request, "", 400, "Invalid input");
  if (!proxy::ParseBackendUrl(*url).ok()) return Failure(request, *url, 400, "Invalid URL");
  proxy::ServerSpec spec;
  spec.url = *url;
  const auto added = context.registry->Add(kPool, "", spec, kOwner);
  if (added.ok()) {
    Audit(request, {.pool = added->server.pool, .id = added->server.id, .url = *url},
          added->created ? "created" : "unchanged");
    return Success();
  }
  switch (added.status().code()) {
    case absl::StatusCode::kAlreadyExists:
      return Failure(request, *url, 409, "Server exists with other settings");
    case absl::StatusCode::kNotFound:
      return Failure(request, *url, 404, "No pool 'default'");
    default:
      return Failure(request, *url, 503, "Service unavailable");
  }
}

HttpAnswer LegacyRemove(const AdminContext& context, const HttpRequest& request) {
  const std::optional<std::string> text = ReadUrl(request.body);
  if (!text) return Failure(request, "", 400, "Invalid input");
  const auto url = proxy::ParseBackendUrl(*text);
  if (!url.ok()) return Failure(request, *text, 400, "Invalid URL");
  bool found = false;
  for (const proxy::ServerView& view : Servers(*context.registry)) {
    if (view.spec.url != url->ToString()) continue;
    // One that somebody else has removed meanwhile is gone as well.
    found = context.registry->Remove(kPool, view.id, std::nullopt).ok() || found;
    Audit(request, {.pool = view.pool, .id = view.id, .url = *text}, "removed");
  }
  return found ? Success() : Failure(request, *text, 404, "Server not found");
}

HttpAnswer LegacyList(const AdminContext& context, const HttpRequest& /*request*/) {
  JsonArray list;
  for (const proxy::ServerView& view : Servers(*context.registry)) {
    list.Add(JsonObject()
                 .Text("URL", view.spec.url)
                 .Number("ActiveConns", view.active)
                 .Bool("Healthy", view.state == proxy::ServerState::kActive)
                 .str());
  }
  return JsonAnswer(list.str());
}

HttpAnswer LegacyHealth(const AdminContext& context, const HttpRequest& /*request*/) {
  const auto servers = Servers(*context.registry);
  if (std::ranges::any_of(servers, [](const proxy::ServerView& view) {
        return view.state == proxy::ServerState::kActive;
      })) {
    return {.body = "OK"};
  }
  return JsonAnswer(R"({"error":"Service unavailable"})", 503);
}

}  // namespace remora::server
