#include <utility>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/lookup.h"
#include "cli/commands/print.h"
#include "cli/output/json.h"

namespace remora::cli {

Outcome ServersList(const ServersListOptions& options, const Context& context) {
  const auto all = ListAllServers(context.client, options.pool);
  if (!all) return std::unexpected(all.error());
  if (context.options.output == OutputFormat::kJson) {
    context.out << ToJson(*all);
    return {};
  }
  const std::vector<v1::Server> servers(all->servers().begin(), all->servers().end());
  if (servers.empty()) {
    context.Note("No servers" + (options.pool.empty() ? "" : " in pool " + options.pool) +
                 ". Add one with `remoractl servers add URL`.");
    return {};
  }
  PrintServers(servers, context);
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
