#include <google/protobuf/struct.pb.h>

#include <utility>

#include "cli/commands/commands.h"
#include "cli/output/json.h"
#include "cli/output/views.h"
#include "cli/version.h"

namespace remora::cli {
namespace {

void PrintVersionsAsJson(const v1::HealthResponse* server, const Context& context) {
  google::protobuf::Struct document;
  auto& client = *(*document.mutable_fields())["client"].mutable_struct_value()->mutable_fields();
  client["version"].set_string_value(ClientVersion());
  client["commit"].set_string_value(ClientCommit());
  google::protobuf::Value& of_server = (*document.mutable_fields())["server"];
  if (server == nullptr) {
    of_server.set_null_value(google::protobuf::NULL_VALUE);
  } else {
    auto& fields = *of_server.mutable_struct_value()->mutable_fields();
    fields["version"].set_string_value(server->version());
  }
  context.out << ToJson(document);
}

}  // namespace

Outcome Health(const Context& context) {
  auto health = context.client.Health({});
  if (!health) return std::unexpected(std::move(health.error()));
  if (context.options.output == OutputFormat::kJson) {
    context.out << ToJson(*health);
  } else {
    context.out << HealthTable(
        *health, {.now = context.clock.Now(), .with_heads = !context.options.no_headers});
  }
  if (health->ready()) return {};
  std::string message = "the sidecar is not ready";
  for (const std::string& reason : health->reasons()) message += ": " + reason;
  return std::unexpected(Failure{.exit = ExitCode::kFailure,
                                 .message = std::move(message),
                                 .hint = "`/readyz?verbose` on the admin address says the same"});
}

Outcome Version(const Context& context) {
  const auto health = context.client.Health({});
  if (context.options.output == OutputFormat::kJson) {
    PrintVersionsAsJson(health ? &*health : nullptr, context);
  } else {
    const std::string commit = ClientCommit();
    context.out << "remoractl   " << ClientVersion() << (commit.empty() ? "" : " (" + commit + ")")
                << '\n';
    if (health) context.out << "remorad     " << health->version() << '\n';
  }
  if (!health)
    context.Note("No server at " + context.options.server + ": " + health.error().message + ".");
  return {};
}

}  // namespace remora::cli
