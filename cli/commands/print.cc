#include "cli/commands/print.h"

#include <string>
#include <vector>

#include "cli/output/colour.h"
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

void PrintStep(const Step& step, const Context& context) {
  const auto line = [&](const char* sign, Colour colour) {
    return InColour(std::string(sign) + " " + Printable(step.text),
                    context.options.colour ? colour : Colour::kNone);
  };
  switch (step.kind) {
    case Step::Kind::kAdd:
      context.out << line("+", Colour::kGreen) << '\n';
      return;
    case Step::Kind::kRemove:
      context.out << line("-", Colour::kRed) << '\n';
      return;
    case Step::Kind::kUpdate:
    case Step::Kind::kReplace:
      context.out << line("~", Colour::kYellow) << '\n';
      return;
  }
}

void NoteSummary(const Plan& plan, bool dry_run, const Context& context) {
  std::size_t added = 0;
  std::size_t removed = 0;
  for (const Step& step : plan.steps) {
    if (step.kind == Step::Kind::kAdd) ++added;
    if (step.kind == Step::Kind::kRemove) ++removed;
  }
  const std::size_t changed = plan.steps.size() - added - removed;
  context.Note(std::string(dry_run ? "Nothing was changed. It would be: " : "") +
               std::to_string(added) + " added, " + std::to_string(changed) + " changed, " +
               std::to_string(removed) + " removed, " + std::to_string(plan.unchanged) +
               " as they were.");
}

}  // namespace remora::cli
