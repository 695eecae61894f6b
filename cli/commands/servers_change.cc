#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/lookup.h"
#include "cli/commands/print.h"
#include "cli/commands/wait.h"
#include "cli/duration.h"
#include "cli/output/json.h"

namespace remora::cli {
namespace {

// What nobody needs to look at: there is no such server (any more).
constexpr char kNothing[] = "{}\n";

std::string NameOf(const v1::Server& server) { return server.pool() + "/" + server.id(); }

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
  if (options.drain_timeout) {
    const auto ms = options.drain_timeout->count();
    request.mutable_drain_timeout()->set_seconds(ms / 1000);
    request.mutable_drain_timeout()->set_nanos(static_cast<std::int32_t>(ms % 1000 * 1'000'000));
  }
  return request;
}

Outcome ReportMissing(const ServersRemoveOptions& options, const Context& context) {
  context.Note("There was no server " + options.server + ".");
  if (context.options.output == OutputFormat::kJson) context.out << kNothing;
  return {};
}

// Until running requests are cut, in whole seconds. The server is asked and not the options: of one
// that drained already the deadline may be another.
std::chrono::milliseconds DrainTimeLeft(const v1::Server& server, const Context& context) {
  const google::protobuf::Timestamp& deadline = server.status().drain_deadline();
  const auto since_epoch =
      std::chrono::seconds(deadline.seconds()) + std::chrono::nanoseconds(deadline.nanos());
  const auto left = since_epoch - context.clock.Now().time_since_epoch();
  return std::max(std::chrono::ceil<std::chrono::seconds>(left), std::chrono::seconds(0));
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
  const std::uint32_t running = server.status().active_requests();
  context.Note("Removed " + NameOf(server) + ": it gets no new requests" +
               (running == 0 ? "."
                             : "; " + std::to_string(running) + " still run, at most " +
                                   FormatDuration(drain) + "."));
  if (options.wait) {
    // The server itself cuts at the drain deadline; the rest of the time is for it to say so.
    if (auto gone = WaitUntilGone(server, drain + context.options.timeout, context); !gone) {
      return gone;
    }
    context.Note("Its last request has ended.");
    // The server is gone: what it was like when it began to drain would mislead.
    if (context.options.output == OutputFormat::kJson) context.out << kNothing;
    return {};
  }
  PrintServer(server, context);
  return {};
}

}  // namespace remora::cli
