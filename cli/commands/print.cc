#include "cli/commands/print.h"

#include "cli/output/json.h"
#include "cli/output/views.h"

namespace remora::cli {

void PrintServers(std::span<const v1::Server> servers, const Context& context) {
  context.out << ServersTable(
      servers, {.now = context.clock.Now(), .with_heads = !context.options.no_headers});
}

void PrintServer(const v1::Server& server, const Context& context) {
  if (context.options.output == OutputFormat::kJson) {
    context.out << ToJson(server);
  } else {
    PrintServers({&server, 1}, context);
  }
}

}  // namespace remora::cli
