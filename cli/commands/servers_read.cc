#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/lookup.h"
#include "cli/commands/print.h"
#include "cli/commands/watch.h"

namespace remora::cli {

Outcome ServersList(const ServersListOptions& options, const Context& context) {
  if (options.watch) return WatchServers(options.pool, context);
  const auto all = ListAllServers(context.client, options.pool);
  if (!all) return std::unexpected(all.error());
  if (all->servers().empty() && IsTable(context.options.output)) {
    context.Note("No servers" + (options.pool.empty() ? "" : " in pool " + options.pool) +
                 ". Add one with `remoractl servers add URL`.");
    return {};
  }
  PrintServers(*all, context);
  return {};
}

Outcome ServersGet(const ServersGetOptions& options, const Context& context) {
  const auto name = ResolveServer(context.client, options.pool, options.server);
  if (!name) return std::unexpected(name.error());
  v1::GetServerRequest request;
  request.set_pool(name->pool);
  request.set_id(name->id);
  const auto server = context.client.GetServer(request);
  if (!server) return std::unexpected(server.error());
  PrintServer(*server, context);
  return {};
}

}  // namespace remora::cli
