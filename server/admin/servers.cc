#include "server/admin/servers.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proxy/base/abseil.h"
#include "proxy/base/status.h"
#include "server/admin/answers.h"
#include "server/admin/audit.h"
#include "server/admin/json.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

namespace json = boost::json;

constexpr std::string_view kOwner = "api";
constexpr std::size_t kDefaultPageSize = 100;
constexpr std::size_t kMaxPageSize = 1000;
// A page ends early rather than grow without bound: each server may have 20 KB of labels.
constexpr std::size_t kMaxPageBytes = 1024 * 1024;

std::string_view ToStd(json::string_view text) { return {text.data(), text.size()}; }

// "pool/id/uid" of the last server of the page before.
std::optional<proxy::ListCursor> ParseToken(std::string_view token) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(token), '/');
  if (parts.size() != 3) return std::nullopt;
  return proxy::ListCursor{.pool = parts[0], .id = parts[1], .uid = parts[2]};
}

struct NewServer {
  std::string pool;
  std::string id;
  proxy::ServerSpec spec;
};

void ReadText(const json::value& value, std::string_view field, std::string& text,
              std::vector<FieldViolation>& violations) {
  if (const json::string* const given = value.if_string()) {
    text = std::string(ToStd(*given));
  } else {
    violations.push_back({std::string(field), "must be a string"});
  }
}

void ReadNumber(const json::value& value, std::string_view field, std::uint32_t& number,
                std::vector<FieldViolation>& violations) {
  boost::system::error_code error;
  const auto given = value.to_number<std::uint32_t>(error);
  if (error) {
    violations.push_back({std::string(field), "must be a whole number, 0 to 4294967295"});
  } else {
    number = given;
  }
}

void ReadLabels(const json::value& value, proxy::ServerSpec& spec,
                std::vector<FieldViolation>& violations) {
  const json::object* const labels = value.if_object();
  if (labels == nullptr) {
    violations.push_back({"spec.labels", "must be an object of strings"});
    return;
  }
  for (const auto& [key, label] : *labels) {
    ReadText(label, "spec.labels", spec.labels[std::string(ToStd(key))], violations);
  }
}

// Fields are named as the control API names them.
void ReadMember(std::string_view key, const json::value& value, NewServer& server,
                std::vector<FieldViolation>& violations) {
  if (key == "pool") {
    ReadText(value, "pool", server.pool, violations);
  } else if (key == "id") {
    ReadText(value, "id", server.id, violations);
  } else if (key == "url") {
    ReadText(value, "spec.url", server.spec.url, violations);
  } else if (key == "weight") {
    ReadNumber(value, "spec.weight", server.spec.weight, violations);
  } else if (key == "max_active") {
    ReadNumber(value, "spec.max_active", server.spec.max_active, violations);
  } else if (key == "labels") {
    ReadLabels(value, server.spec, violations);
  } else {
    violations.push_back(
        {Shown(key, 63), "is not known; allowed are pool, id, url, weight, max_active and labels"});
  }
}

absl::StatusOr<NewServer> ParseNewServer(std::string_view body) {
  boost::system::error_code error;
  const json::value value = json::parse({body.data(), body.size()}, error);
  const json::object* const members = error ? nullptr : value.if_object();
  if (members == nullptr) {
    return InvalidFields({{"body", R"(is not a JSON object; send {"url": "http://host:port"})"}});
  }
  NewServer server;
  std::vector<FieldViolation> violations;
  for (const auto& [key, member] : *members) {
    ReadMember(ToStd(key), member, server, violations);
  }
  if (!violations.empty()) return InvalidFields(violations);
  if (server.spec.weight == 0) server.spec.weight = 1;  // as in the control API
  return server;
}

absl::StatusOr<std::optional<std::chrono::milliseconds>> DrainTimeout(std::string_view query) {
  const std::optional<std::string> text = QueryValue(query, "drain_timeout");
  if (!text) return std::nullopt;
  const auto timeout = ParseDuration(*text);
  if (!timeout || *timeout > proxy::Registry::kMaxDrain) {
    return InvalidFields({{"drain_timeout", "allowed are 0s (cut at once) to 1h, such as 30s"}});
  }
  return timeout;
}

HttpAnswer Refused(const HttpRequest& request, const AuditTarget& target,
                   const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  Audit(request, target, reason.empty() ? absl::StatusCodeToString(status.code()) : reason);
  return ErrorAnswer(status);
}

HttpAnswer Done(const HttpRequest& request, const proxy::ServerView& view, std::string_view result,
                unsigned status = 200) {
  Audit(request, {.pool = view.pool, .id = view.id, .url = view.spec.url}, result);
  return JsonAnswer(JsonObject().Raw("server", ServerJson(view)).str(), status);
}

}  // namespace

std::string ServerJson(const proxy::ServerView& view, const std::optional<ServerNumbers>& numbers) {
  JsonObject labels;
  for (const auto& [key, value] : view.spec.labels) {
    const std::string escaped = JsonText(key);
    labels.Text(std::string_view(escaped).substr(1, escaped.size() - 2), value);
  }
  JsonObject spec;
  spec.Text("url", view.spec.url)
      .Number("weight", view.spec.weight)
      .Number("max_active", view.spec.max_active)
      .Raw("labels", labels.str());
  JsonObject status;
  status.Text("state", proxy::StateName(view.state))
      .Text("reason", view.reason)
      .Number("active_requests", view.active);
  if (view.last_probe) status.Raw("last_probe_time", JsonTime(*view.last_probe));
  status.Number("consecutive_probe_failures", view.consecutive_failures);
  if (view.drain_deadline) status.Raw("drain_deadline", JsonTime(*view.drain_deadline));
  status.Bool("drained", view.drained)
      .Text("requests_total", absl::StrCat(numbers ? numbers->requests : 0))
      .Text("failures_total", absl::StrCat(numbers ? numbers->failures : 0));
  if (numbers && numbers->p50_ms) status.Raw("latency_p50", JsonMilliseconds(*numbers->p50_ms));
  if (numbers && numbers->p99_ms) status.Raw("latency_p99", JsonMilliseconds(*numbers->p99_ms));
  return JsonObject()
      .Text("pool", view.pool)
      .Text("id", view.id)
      .Raw("spec", spec.str())
      .Text("owner", view.owner)
      .Text("uid", view.uid)
      .Text("revision", absl::StrCat(view.revision))  // 64 bits are a string in protobuf's JSON
      .Raw("create_time", JsonTime(view.created))
      .Raw("status", status.str())
      .str();
}

HttpAnswer ListServers(const AdminContext& context, const HttpRequest& request) {
  const std::string pool = QueryValue(request.query, "pool").value_or("");
  std::size_t page_size = kDefaultPageSize;
  if (const auto given = QueryValue(request.query, "page_size")) {
    const auto number = ParseNumber(*given);
    if (!number) return ErrorAnswer(InvalidFields({{"page_size", "must be a number, 1 to 1000"}}));
    if (*number != 0) page_size = std::min<std::size_t>(*number, kMaxPageSize);
  }
  std::optional<proxy::ListCursor> cursor;
  if (const auto token = QueryValue(request.query, "page_token"); token && !token->empty()) {
    cursor = ParseToken(*token);
    if (!cursor) {
      return ErrorAnswer(InvalidFields(
          {{"page_token", "is not a token; pass next_page_token of the page before"}}));
    }
  }
  const auto listed = context.registry->List(pool, cursor, page_size);
  if (!listed.ok()) return ErrorAnswer(listed.status());
  JsonArray servers;
  std::size_t bytes = 0;
  const proxy::ServerView* last = nullptr;
  for (const proxy::ServerView& view : listed->servers) {
    if (bytes > kMaxPageBytes) break;
    last = &view;
    const std::string text =
        ServerJson(view, context.numbers ? context.numbers(view) : std::nullopt);
    bytes += text.size();
    servers.Add(text);
  }
  const bool more = last != nullptr && (listed->more || last != &listed->servers.back());
  const std::string token = more ? absl::StrCat(last->pool, "/", last->id, "/", last->uid) : "";
  return JsonAnswer(JsonObject()
                        .Raw("servers", servers.str())
                        .Text("next_page_token", token)
                        .Text("revision", absl::StrCat(listed->revision))
                        .str());
}

HttpAnswer AddServer(const AdminContext& context, const HttpRequest& request) {
  const absl::StatusOr<NewServer> server = ParseNewServer(request.body);
  if (!server.ok()) return Refused(request, {}, server.status());
  const auto added = context.registry->Add(server->pool, server->id, server->spec, kOwner);
  if (!added.ok()) {
    return Refused(request, {.pool = server->pool, .id = server->id, .url = server->spec.url},
                   added.status());
  }
  return added->created ? Done(request, added->server, "created", 201)
                        : Done(request, added->server, "unchanged");
}

HttpAnswer RemoveServer(const AdminContext& context, const HttpRequest& request,
                        std::string_view pool, std::string_view id) {
  const AuditTarget target{.pool = std::string(pool), .id = std::string(id)};
  const auto timeout = DrainTimeout(request.query);
  if (!timeout.ok()) return Refused(request, target, timeout.status());
  const auto removed = context.registry->Remove(pool, id, *timeout);
  if (!removed.ok()) return Refused(request, target, removed.status());
  return Done(request, removed->server, removed->was_draining ? "already draining" : "removed");
}

HttpAnswer DrainServer(const AdminContext& context, const HttpRequest& request,
                       std::string_view pool, std::string_view id) {
  if (!context.drain) {
    return ErrorAnswer(501, "not_built", "this build can't drain a server; remove it instead");
  }
  const AuditTarget target{.pool = std::string(pool), .id = std::string(id)};
  const auto timeout = DrainTimeout(request.query);
  if (!timeout.ok()) return Refused(request, target, timeout.status());
  const auto drained = context.drain(pool, id, *timeout);
  return drained.ok() ? Done(request, *drained, "drained")
                      : Refused(request, target, drained.status());
}

HttpAnswer UndrainServer(const AdminContext& context, const HttpRequest& request,
                         std::string_view pool, std::string_view id) {
  if (!context.undrain) {
    return ErrorAnswer(501, "not_built", "this build can't drain a server, so there is none");
  }
  const auto undrained = context.undrain(pool, id);
  return undrained.ok() ? Done(request, *undrained, "undrained")
                        : Refused(request, {.pool = std::string(pool), .id = std::string(id)},
                                  undrained.status());
}

}  // namespace remora::server
