#include "server/control/control_service.h"

#include <map>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proxy/base/log.h"
#include "proxy/base/status.h"
#include "server/control/conversions.h"

namespace remora::server {
namespace {

constexpr std::string_view kOwner = "api";
// A page ends early rather than pass what clients accept by default (4 MiB): 1000 servers with all
// their labels would be 20 MB.
constexpr std::size_t kMaxPageBytes = 1024 * 1024;
// A log line, and the details of an error, hold no more of what a caller sent.
constexpr std::size_t kMaxShown = 200;

using Target = ControlTarget;

Target TargetOf(std::string_view pool, std::string_view id) {
  return {.pool = pool.empty() ? "default" : Shown(pool, kMaxShown),
          .id = Shown(id, kMaxShown),
          .url = {}};
}

Target TargetOf(const v1::AddServerRequest& request) {
  Target target = TargetOf(request.pool(), request.id());
  target.url = Shown(request.spec().url(), kMaxShown);
  const auto url = proxy::ParseBackendUrl(request.spec().url());
  if (target.id.empty() && url.ok()) target.id = proxy::DeriveId(*url);
  return target;
}

Target TargetOf(const proxy::ServerView& view) {
  return {.pool = view.pool, .id = view.id, .url = Shown(view.spec.url, kMaxShown)};
}

// One line for each attempt to change something, refused ones included.
void Audit(const grpc::CallbackServerContext& context, std::string_view rpc, const Target& target,
           std::string_view result) {
  log::Info("audit", {{"rpc", rpc},
                      {"pool", target.pool},
                      {"id", target.id},
                      {"url", target.url},
                      {"peer", context.peer()},
                      {"result", result}});
}

std::string ResultOf(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason.empty() ? absl::StatusCodeToString(status.code()) : reason;
}

// One line for the whole list; each server's change is an event. A controller calls again and
// again, so what changed nothing is no line.
void AuditReplace(const grpc::CallbackServerContext& context,
                  const v1::ReplaceServersRequest& request,
                  const absl::StatusOr<proxy::ReplaceResult>& replaced) {
  if (replaced.ok() && (request.validate_only() || replaced->changes.empty())) return;
  log::Info("audit", {{"rpc", "ReplaceServers"},
                      {"owner", Shown(request.owner(), kMaxShown)},
                      {"servers", request.servers_size()},
                      {"changes", replaced.ok() ? replaced->changes.size() : 0},
                      {"peer", context.peer()},
                      {"result", replaced.ok() ? "replaced" : ResultOf(replaced.status())}});
}

std::map<std::string, std::string> Metadata(const Target& target) {
  std::map<std::string, std::string> metadata{{"pool", target.pool}};
  if (!target.id.empty()) metadata.emplace("id", target.id);
  return metadata;
}

}  // namespace

grpc::ServerUnaryReactor* ControlService::Finish(grpc::CallbackServerContext* context,
                                                 std::string_view rpc, const grpc::Status& status) {
  calls_.Add(rpc, status.error_code());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

grpc::ServerUnaryReactor* ControlService::Refuse(grpc::CallbackServerContext* context,
                                                 std::string_view rpc, const Target& target,
                                                 const absl::Status& status) {
  Audit(*context, rpc, target, ResultOf(status));
  return Finish(context, rpc, ToGrpcStatus(status, Metadata(target)));
}

v1::Server ControlService::Report(const proxy::ServerView& view) const {
  v1::Server server = ToProto(view);
  if (hooks_.counters) {
    if (const auto counters = hooks_.counters(view.pool, view.id))
      FillCounters(*counters, *server.mutable_status());
  }
  return server;
}

grpc::ServerUnaryReactor* ControlService::AddServer(grpc::CallbackServerContext* context,
                                                    const v1::AddServerRequest* request,
                                                    v1::AddServerResponse* response) {
  const absl::StatusOr<proxy::AddResult> added =
      registry_.Add(request->pool(), request->id(), FromProto(request->spec()), kOwner);
  if (!added.ok()) {
    return Refuse(context, "AddServer", TargetOf(*request), added.status());
  }
  Audit(*context, "AddServer", TargetOf(added->server), added->created ? "created" : "unchanged");
  *response->mutable_server() = Report(added->server);
  response->set_created(added->created);
  return Finish(context, "AddServer", grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::RemoveServer(grpc::CallbackServerContext* context,
                                                       const v1::RemoveServerRequest* request,
                                                       v1::RemoveServerResponse* response) {
  const auto removed = [&]() -> absl::StatusOr<proxy::RemoveResult> {
    const auto drain_timeout = DrainTimeout(*request);
    if (!drain_timeout.ok()) return drain_timeout.status();
    return registry_.Remove(request->pool(), request->id(), *drain_timeout);
  }();
  if (removed.ok()) {
    Audit(*context, "RemoveServer", TargetOf(removed->server),
          removed->was_draining ? "already draining" : "removed");
    *response->mutable_server() = Report(removed->server);
    return Finish(context, "RemoveServer", grpc::Status::OK);
  }
  const std::string result = ResultOf(removed.status());
  const Target target = TargetOf(request->pool(), request->id());
  Audit(*context, "RemoveServer", target, result);
  // A pool that is not there stays an error: it can never come to be, so it is a misspelling.
  if (request->allow_missing() && result == "SERVER_NOT_FOUND") {
    return Finish(context, "RemoveServer", grpc::Status::OK);
  }
  return Finish(context, "RemoveServer", ToGrpcStatus(removed.status(), Metadata(target)));
}

grpc::ServerUnaryReactor* ControlService::UpdateServer(grpc::CallbackServerContext* context,
                                                       const v1::UpdateServerRequest* request,
                                                       v1::UpdateServerResponse* response) {
  const auto updated = [&]() -> absl::StatusOr<proxy::UpdateResult> {
    auto change = FromProto(*request);
    if (!change.ok()) return change.status();
    return registry_.Update(request->pool(), request->id(), *std::move(change));
  }();
  if (!updated.ok()) {
    return Refuse(context, "UpdateServer", TargetOf(request->pool(), request->id()),
                  updated.status());
  }
  Audit(*context, "UpdateServer", TargetOf(updated->server),
        updated->changed ? "updated" : "unchanged");
  *response->mutable_server() = Report(updated->server);
  response->set_changed(updated->changed);
  return Finish(context, "UpdateServer", grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::DrainServer(grpc::CallbackServerContext* context,
                                                      const v1::DrainServerRequest* request,
                                                      v1::DrainServerResponse* response) {
  const auto drained = [&]() -> absl::StatusOr<proxy::ServerView> {
    const auto drain_timeout = DrainTimeout(*request);
    if (!drain_timeout.ok()) return drain_timeout.status();
    return registry_.Drain(request->pool(), request->id(), *drain_timeout);
  }();
  if (!drained.ok()) {
    return Refuse(context, "DrainServer", TargetOf(request->pool(), request->id()),
                  drained.status());
  }
  Audit(*context, "DrainServer", TargetOf(*drained), "drained");
  *response->mutable_server() = Report(*drained);
  return Finish(context, "DrainServer", grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::UndrainServer(grpc::CallbackServerContext* context,
                                                        const v1::UndrainServerRequest* request,
                                                        v1::UndrainServerResponse* response) {
  const auto undrained = registry_.Undrain(request->pool(), request->id());
  if (!undrained.ok()) {
    return Refuse(context, "UndrainServer", TargetOf(request->pool(), request->id()),
                  undrained.status());
  }
  Audit(*context, "UndrainServer", TargetOf(*undrained), "undrained");
  *response->mutable_server() = Report(*undrained);
  return Finish(context, "UndrainServer", grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::ReplaceServers(grpc::CallbackServerContext* context,
                                                         const v1::ReplaceServersRequest* request,
                                                         v1::ReplaceServersResponse* response) {
  const auto replaced = [&]() -> absl::StatusOr<proxy::ReplaceResult> {
    const auto owner = OwnerOf(*request);
    if (!owner.ok()) return owner.status();
    const auto drain_timeout = DrainTimeout(*request);
    if (!drain_timeout.ok()) return drain_timeout.status();
    return registry_.Replace(
        *owner, DesiredOf(*request),
        {.dry_run = request->validate_only(),
         .drain_timeout = drain_timeout->value_or(proxy::Registry::kDefaultDrain),
         .if_revision = request->if_revision()});
  }();
  AuditReplace(*context, *request, replaced);
  if (!replaced.ok()) {
    return Finish(context, "ReplaceServers",
                  ToGrpcStatus(replaced.status(), {{"owner", Shown(request->owner(), kMaxShown)}}));
  }
  std::size_t bytes = 0;
  for (const proxy::ServerChange& change : replaced->changes) {
    if (bytes > kMaxPageBytes) break;
    v1::ServerChange& proto = *response->add_changes();
    proto = ToProto(change);
    bytes += proto.ByteSizeLong();
  }
  response->set_changes_omitted(static_cast<std::uint32_t>(
      replaced->changes.size() - static_cast<std::size_t>(response->changes_size())));
  response->set_unchanged(static_cast<std::uint32_t>(replaced->unchanged));
  response->set_revision(replaced->revision);
  return Finish(context, "ReplaceServers", grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::ListServers(grpc::CallbackServerContext* context,
                                                      const v1::ListServersRequest* request,
                                                      v1::ListServersResponse* response) {
  const auto listed = [&]() -> absl::StatusOr<proxy::ListPage> {
    const auto page_size = PageSize(*request);
    if (!page_size.ok()) return page_size.status();
    const auto cursor = ParsePageToken(request->page_token(), request->pool());
    if (!cursor.ok()) return cursor.status();
    return registry_.List(request->pool(), *cursor, *page_size);
  }();
  if (!listed.ok()) {
    return Finish(context, "ListServers",
                  ToGrpcStatus(listed.status(), Metadata(TargetOf(request->pool(), ""))));
  }
  response->set_revision(listed->revision);
  std::size_t bytes = 0;
  const proxy::ServerView* last = nullptr;
  for (const proxy::ServerView& view : listed->servers) {
    if (bytes > kMaxPageBytes) break;
    last = &view;
    v1::Server& server = *response->add_servers();
    server = Report(view);
    bytes += server.ByteSizeLong();
  }
  if (last != nullptr && (listed->more || last != &listed->servers.back())) {
    response->set_next_page_token(
        PageToken(request->pool(), {.pool = last->pool, .id = last->id, .uid = last->uid}));
  }
  return Finish(context, "ListServers", grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::GetServer(grpc::CallbackServerContext* context,
                                                    const v1::GetServerRequest* request,
                                                    v1::Server* response) {
  const absl::StatusOr<proxy::ServerView> found = registry_.Get(request->pool(), request->id());
  if (!found.ok()) {
    return Finish(context, "GetServer",
                  ToGrpcStatus(found.status(), Metadata(TargetOf(request->pool(), request->id()))));
  }
  *response = Report(*found);
  return Finish(context, "GetServer", grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::Health(grpc::CallbackServerContext* context,
                                                 const v1::HealthRequest* /*request*/,
                                                 v1::HealthResponse* response) {
  const std::vector<std::string> reasons = readiness_.reasons();
  response->set_ready(reasons.empty());
  response->mutable_reasons()->Assign(reasons.begin(), reasons.end());
  for (const proxy::PoolTotals& totals : registry_.Totals()) {
    *response->add_pools() = ToProto(totals);
  }
  response->set_version(version_);
  *response->mutable_uptime() = ToProto(readiness_.uptime());
  response->set_revision(registry_.snapshot()->revision);
  if (hooks_.listeners) {
    for (const proxy::ListenerView& listener : hooks_.listeners()) {
      *response->add_listeners() = ToProto(listener);
    }
  }
  return Finish(context, "Health", grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::Shutdown(grpc::CallbackServerContext* context,
                                                   const v1::ShutdownRequest* request,
                                                   v1::ShutdownResponse* response) {
  const std::string scope = Shown(v1::ShutdownRequest::Scope_Name(request->scope()), kMaxShown);
  const auto audit = [&](std::string_view result) {
    log::Info(
        "audit",
        {{"rpc", "Shutdown"}, {"scope", scope}, {"peer", context->peer()}, {"result", result}});
  };
  const absl::StatusOr<proxy::DrainScope> wanted = ScopeOf(*request);
  if (!wanted.ok() || !hooks_.shutdown) {
    const absl::Status status =
        wanted.ok() ? absl::UnimplementedError("this process can't be shut down by a call")
                    : wanted.status();
    audit(ResultOf(status));
    return Finish(context, "Shutdown", ToGrpcStatus(status));
  }
  const ShutdownNotice notice = hooks_.shutdown(*wanted);
  audit(notice.begun ? "draining" : "unchanged");
  *response->mutable_deadline() = ToProto(notice.deadline);
  std::uint64_t active = 0;
  for (const proxy::PoolTotals& totals : registry_.Totals()) active += totals.active_requests;
  response->set_active_requests(active);
  return Finish(context, "Shutdown", grpc::Status::OK);
}

}  // namespace remora::server
