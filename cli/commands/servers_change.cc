#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/lookup.h"
#include "cli/commands/print.h"
#include "cli/commands/wait.h"
#include "cli/duration.h"
#include "cli/proto_time.h"

namespace remora::cli {
namespace {

v1::AddServerRequest RequestFor(const ServersAddOptions& options) {
  v1::AddServerRequest request;
  request.set_pool(options.pool);
  request.set_id(options.id);
  v1::ServerSpec& spec = *request.mutable_spec();
  spec.set_url(options.url);
  spec.set_weight(options.weight);
  spec.set_max_active(options.max_active);
  for (const auto& [key, value] : options.labels) (*spec.mutable_labels())[key] = value;
  return request;
}

v1::RemoveServerRequest RequestFor(const ServersRemoveOptions& options, const ServerName& name) {
  v1::RemoveServerRequest request;
  request.set_pool(name.pool);
  request.set_id(name.id);
  request.set_allow_missing(options.allow_missing);
  if (options.drain_timeout) *request.mutable_drain_timeout() = ToProto(*options.drain_timeout);
  return request;
}

Outcome ReportMissing(const ServersRemoveOptions& options, const Context& context) {
  context.Note("There was no server " + options.server + ".");
  PrintNothing(context);
  return {};
}

// Until running requests are cut. The server is asked and not the options: of one
// that drained already the deadline may be another.
std::chrono::milliseconds DrainTimeLeft(const v1::Server& server, const Context& context) {
  return TimeLeft(server.status().drain_deadline(), context.clock);
}

std::string StillRunning(const v1::Server& server, std::chrono::milliseconds left) {
  const std::uint32_t running = server.status().active_requests();
  if (running == 0) return ".";
  return "; " + std::to_string(running) + " still run, at most " + FormatDuration(left) + ".";
}

}  // namespace

Outcome ServersAdd(const ServersAddOptions& options, const Context& context) {
  auto added = context.client.AddServer(RequestFor(options));
  if (!added) return std::unexpected(std::move(added.error()));
  const v1::Server& server = added->server();
  context.Note(added->created() ? "Added " + NameOf(server) + "."
                                : NameOf(server) + " was there already, with the same content.");
  if (!options.wait) {
    PrintServer(server, context);
    return {};
  }
  auto active = WaitUntilActive(server, context);
  if (!active) return std::unexpected(std::move(active.error()));
  PrintServer(*active, context);
  return {};
}

Outcome ServersRemove(const ServersRemoveOptions& options, const Context& context) {
  auto name = ResolveServer(context.client, options.pool, options.server);
  if (!name) {
    if (options.allow_missing && name.error().reason == "SERVER_NOT_FOUND") {
      return ReportMissing(options, context);
    }
    return std::unexpected(std::move(name.error()));
  }
  auto removed = context.client.RemoveServer(RequestFor(options, *name));
  if (!removed) return std::unexpected(std::move(removed.error()));
  if (!removed->has_server()) return ReportMissing(options, context);
  const v1::Server& server = removed->server();
  const std::chrono::milliseconds drain = DrainTimeLeft(server, context);
  context.Note("Removed " + NameOf(server) + ": it gets no new requests" +
               StillRunning(server, drain));
  if (options.wait) {
    // The server itself cuts at the drain deadline; the rest of the time is for it to say so.
    if (auto gone = WaitUntilGone(server, drain + context.options.timeout, context); !gone) {
      return gone;
    }
    context.Note("Its last request has ended.");
    // The server is gone: what it was like when it began to drain would mislead.
    PrintNothing(context);
    return {};
  }
  PrintServer(server, context);
  return {};
}

Outcome ServersDrain(const ServersDrainOptions& options, const Context& context) {
  auto name = ResolveServer(context.client, options.pool, options.server);
  if (!name) return std::unexpected(std::move(name.error()));
  v1::DrainServerRequest request;
  request.set_pool(name->pool);
  request.set_id(name->id);
  if (options.drain_timeout) *request.mutable_drain_timeout() = ToProto(*options.drain_timeout);
  auto drained = context.client.DrainServer(request);
  if (!drained) return std::unexpected(std::move(drained.error()));
  const v1::Server& server = drained->server();
  const std::chrono::milliseconds left = DrainTimeLeft(server, context);
  context.Note("Drained " + NameOf(server) + ": it gets no new requests" +
               StillRunning(server, left));
  if (!options.wait) {
    PrintServer(server, context);
    return {};
  }
  auto idle = WaitUntilIdle(server, left + context.options.timeout, context);
  if (!idle) return std::unexpected(std::move(idle.error()));
  context.Note("Its last request has ended.");
  PrintServer(*idle, context);
  return {};
}

Outcome ServersUndrain(const ServersUndrainOptions& options, const Context& context) {
  auto name = ResolveServer(context.client, options.pool, options.server);
  if (!name) return std::unexpected(std::move(name.error()));
  v1::UndrainServerRequest request;
  request.set_pool(name->pool);
  request.set_id(name->id);
  auto opened = context.client.UndrainServer(request);
  if (!opened) return std::unexpected(std::move(opened.error()));
  const v1::Server& server = opened->server();
  context.Note(NameOf(server) + (server.status().state() == v1::ServerStatus::ACTIVE
                                     ? " takes traffic again."
                                     : " is open again; it takes traffic once a probe passes."));
  PrintServer(server, context);
  return {};
}

}  // namespace remora::cli
