#include "cli/commands/print.h"

#include <vector>

#include "cli/output/json.h"
#include "cli/output/table.h"
#include "cli/output/yaml.h"

namespace remora::cli {

View ViewOf(const Context& context) {
  return {.now = context.clock.Now(),
          .with_heads = !context.options.no_headers,
          .with_colour = context.options.colour,
          .wide = context.options.output == OutputFormat::kWide};
}

bool IsTable(OutputFormat format) {
  return format == OutputFormat::kTable || format == OutputFormat::kWide;
}

void PrintMessage(const google::protobuf::Message& message, const Context& context) {
  if (context.options.output == OutputFormat::kYaml) {
    context.out << ToYaml(message);
  } else if (context.options.output == OutputFormat::kJsonl) {
    context.out << ToJsonLine(message);
  } else {
    context.out << ToJson(message);
  }
}

void PrintServer(const v1::Server& server, const Context& context) {
  if (IsTable(context.options.output)) {
    context.out << ServersTable({&server, 1}, ViewOf(context));
  } else if (context.options.output == OutputFormat::kName) {
    context.out << Printable(NameOf(server)) << '\n';
  } else {
    PrintMessage(server, context);
  }
}

void PrintServers(const v1::ListServersResponse& servers, const Context& context) {
  switch (context.options.output) {
    case OutputFormat::kTable:
    case OutputFormat::kWide:
      context.out << ServersTable(std::vector(servers.servers().begin(), servers.servers().end()),
                                  ViewOf(context));
      return;
    case OutputFormat::kName:
    case OutputFormat::kJsonl:
      for (const v1::Server& server : servers.servers()) PrintServer(server, context);
      return;
    case OutputFormat::kJson:
    case OutputFormat::kYaml:
      PrintMessage(servers, context);
      return;
  }
}

void PrintNothing(const Context& context) {
  const OutputFormat format = context.options.output;
  if (format == OutputFormat::kJson || format == OutputFormat::kYaml) context.out << "{}\n";
}

}  // namespace remora::cli
