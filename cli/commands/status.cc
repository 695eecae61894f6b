#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/lookup.h"
#include "cli/commands/print.h"
#include "cli/output/json.h"
#include "cli/output/views.h"
#include "cli/version.h"

namespace remora::cli {
namespace {

void FillVersions(const v1::HealthResponse* server, google::protobuf::Struct& document) {
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
}

// `message` as the value of `name`, with the same names and numbers as on its own.
void FillMessage(const std::string& name, const google::protobuf::Message& message,
                 google::protobuf::Struct& document) {
  google::protobuf::Struct fields;
  if (!google::protobuf::util::JsonStringToMessage(ToJson(message), &fields).ok()) return;
  *(*document.mutable_fields())[name].mutable_struct_value() = std::move(fields);
}

// What an operator should look at: all that take no traffic.
v1::ListServersResponse TakingNoTraffic(const v1::ListServersResponse& all) {
  v1::ListServersResponse rest;
  rest.set_revision(all.revision());
  for (const v1::Server& server : all.servers()) {
    if (server.status().state() != v1::ServerStatus::ACTIVE) *rest.add_servers() = server;
  }
  return rest;
}

}  // namespace

Outcome Health(const Context& context) {
  auto health = context.client.Health({});
  if (!health) return std::unexpected(std::move(health.error()));
  if (IsTable(context.options.output)) {
    context.out << HealthTable(*health, ViewOf(context));
  } else {
    PrintMessage(*health, context);
  }
  if (health->ready()) return {};
  std::string message = "the sidecar is not ready";
  for (const std::string& reason : health->reasons()) message += ": " + reason;
  return std::unexpected(Failure{.exit = ExitCode::kFailure,
                                 .message = std::move(message),
                                 .hint = "`/readyz?verbose` on the admin address says the same"});
}

Outcome Status(const Context& context) {
  auto health = context.client.Health({});
  if (!health) return std::unexpected(std::move(health.error()));
  auto all = ListAllServers(context.client, "");
  if (!all) return std::unexpected(std::move(all.error()));
  const v1::ListServersResponse rest = TakingNoTraffic(*all);
  if (!IsTable(context.options.output)) {
    google::protobuf::Struct document;
    (*document.mutable_fields())["address"].set_string_value(context.options.server);
    FillMessage("health", *health, document);
    FillMessage("taking_no_traffic", rest, document);
    PrintMessage(document, context);
    return {};
  }
  context.out << HealthTable(*health, ViewOf(context)) << '\n';
  if (rest.servers().empty()) {
    context.out << (all->servers().empty() ? "There are no servers.\n"
                                           : "All servers take traffic.\n");
    return {};
  }
  context.out << "Taking no traffic:\n";
  PrintServers(rest, context);
  return {};
}

Outcome Version(const Context& context) {
  const auto health = context.client.Health({});
  if (!IsTable(context.options.output)) {
    google::protobuf::Struct document;
    FillVersions(health ? &*health : nullptr, document);
    PrintMessage(document, context);
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
