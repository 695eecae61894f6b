#include "cli/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/duration.h"
#include "cli/output/views.h"
#include "cli/version.h"

namespace remora::cli {
namespace {

constexpr const char* kFooter = R"(Exit codes:
  0 done             1 failed, or `health` found it not ready   2 wrong arguments
  3 not found        4 already there, or not in that state      5 not permitted
  69 unreachable     124 --timeout has passed                   130 interrupted

The options that `remoractl --help` shows go with every command, before or after it. Data goes to
stdout, everything else to stderr. Without --server and REMORA_SERVER the first socket is called
that you or root made: $XDG_RUNTIME_DIR/remora/control.sock, /tmp/remora-<uid>/control.sock or
/run/remora/control.sock; root calls the last one.
)";

using Command = std::function<Outcome(const Context&)>;

// All that the arguments say. CLI11 keeps references to the members: it stays where it is.
struct Arguments {
  GlobalOptions global;
  ServersListOptions list;
  ServersGetOptions get;
  ServersAddOptions add;
  ServersRemoveOptions remove;
  std::vector<std::string> labels;
  std::string drain_timeout;
  std::string timeout = "5s";
  std::string output = "table";
  Command command;
};

// CLI11 calls it with the text of a duration; what it returns is the error.
std::string CheckDuration(const std::string& text) {
  const auto duration = ParseDuration(text);
  return duration ? std::string() : duration.error();
}

std::string CheckTimeout(const std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration) return duration.error();
  return duration->count() > 0 ? std::string() : "'" + text + "' leaves no time for an answer";
}

std::string CheckLabel(const std::string& text) {
  const std::size_t equals = text.find('=');
  const bool good = equals != std::string::npos && equals != 0;
  return good ? std::string() : "'" + text + "' is not a label: write key=value";
}

std::string CheckOutput(const std::string& text) {
  const bool good = text == "table" || text == "json";
  return good ? std::string() : "'" + text + "' is not a format: table and json are";
}

void DefineGlobalOptions(CLI::App& app, Arguments& to) {
  app.add_option("-o,--output", to.output, "Format of the data")
      ->check(CheckOutput)
      ->type_name("table|json")
      ->capture_default_str();
  app.add_option("--timeout", to.timeout, "How long each call may take")
      ->check(CheckTimeout)
      ->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--server", to.global.server,
                 "Where the control API is: unix:/path or host:port [REMORA_SERVER]")
      ->type_name("ADDRESS");
  app.add_flag("--no-headers", to.global.no_headers, "Tables without their first line");
  app.add_flag("-q,--quiet", to.global.quiet, "No remarks on stderr; errors stay");
}

void DefineReadCommands(CLI::App& servers, Arguments& to) {
  CLI::App* list = servers.add_subcommand("list", "Lists the servers, all pages");
  list->add_option("--pool", to.list.pool, "Only this pool")->type_name("NAME");
  list->callback([&to] {
    to.command = [&to](const Context& context) { return ServersList(to.list, context); };
  });
  CLI::App* get = servers.add_subcommand("get", "Shows one server");
  get->add_option("server", to.get.server, "Its id, or its url")
      ->required()
      ->type_name("ID_OR_URL");
  get->add_option("--pool", to.get.pool, "Its pool [default]")->type_name("NAME");
  get->callback([&to] {
    to.command = [&to](const Context& context) { return ServersGet(to.get, context); };
  });
}

void DefineAddCommand(CLI::App& servers, Arguments& to) {
  CLI::App* add =
      servers.add_subcommand("add", "Adds a server; it takes traffic after its first passed probe");
  add->add_option("url", to.add.url, "http://host:port[/prefix], host:port or unix:/path")
      ->required()
      ->type_name("URL");
  add->add_option("--pool", to.add.pool, "Pool to add it to [default]")->type_name("NAME");
  add->add_option("--id", to.add.id, "Its name [made from the url]")->type_name("ID");
  add->add_option("--weight", to.add.weight, "Share of the load, 1 to 1000 [1]")->type_name("N");
  add->add_option("--max-active", to.add.max_active, "Most requests at a time [no limit]")
      ->type_name("N");
  add->add_option("--label", to.labels, "A label; may be given again")
      ->check(CheckLabel)
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  add->add_flag("--wait", to.add.wait, "Wait until it takes traffic, at most --timeout");
  add->callback([&to] {
    for (const std::string& label : to.labels) {
      const std::size_t equals = label.find('=');
      to.add.labels[label.substr(0, equals)] = label.substr(equals + 1);
    }
    to.command = [&to](const Context& context) { return ServersAdd(to.add, context); };
  });
}

void DefineRemoveCommand(CLI::App& servers, Arguments& to) {
  CLI::App* remove = servers.add_subcommand(
      "remove", "Removes a server; requests that run may finish until --drain-timeout");
  remove->add_option("server", to.remove.server, "Its id, or its url")
      ->required()
      ->type_name("ID_OR_URL");
  remove->add_option("--pool", to.remove.pool, "Its pool [default]")->type_name("NAME");
  remove
      ->add_option("--drain-timeout", to.drain_timeout,
                   "How long running requests may go on [30s]; 0 cuts at once")
      ->check(CheckDuration)
      ->type_name("DURATION");
  remove->add_flag("--allow-missing", to.remove.allow_missing, "Succeed where there is none");
  remove->add_flag("--wait", to.remove.wait, "Wait until its last request has ended");
  remove->callback([&to] {
    if (!to.drain_timeout.empty()) to.remove.drain_timeout = *ParseDuration(to.drain_timeout);
    to.command = [&to](const Context& context) { return ServersRemove(to.remove, context); };
  });
}

void DefineCommands(CLI::App& app, Arguments& to) {
  DefineGlobalOptions(app, to);
  app.fallthrough();             // global options may stand after the command
  app.require_subcommand(0, 1);  // none is reported by RunCommandLine, more clearly
  app.set_version_flag("--version", [] { return "remoractl " + ClientVersion(); });
  app.footer(kFooter);
  CLI::App* servers =
      app.add_subcommand("servers", "Servers behind the sidecar: list, get, add, remove");
  servers->require_subcommand(0, 1);
  DefineReadCommands(*servers, to);
  DefineAddCommand(*servers, to);
  DefineRemoveCommand(*servers, to);
  app.add_subcommand("health", "Shows whether the sidecar is ready, and its pools")
      ->callback([&to] { to.command = Health; });
  app.add_subcommand("version", "Shows the versions of client and server")->callback([&to] {
    to.command = Version;
  });
}

// The exit code where the arguments end the program: an error, or a request for help.
std::optional<ExitCode> Parse(CLI::App& app, std::vector<std::string> arguments,
                              const Surroundings& surroundings) {
  std::ranges::reverse(arguments);  // CLI11 takes them from the back
  try {
    app.parse(std::move(arguments));
    return std::nullopt;
  } catch (const CLI::Success& wish) {  // --help, --version
    app.exit(wish, surroundings.out, surroundings.err);
    return ExitCode::kOk;
  } catch (const CLI::ParseError& error) {
    surroundings.err << FailureText(
        {.message = error.what(), .hint = "`remoractl --help` shows commands and options"});
    return ExitCode::kUsage;
  }
}

// Connects and runs the command that the arguments name.
ExitCode RunCommand(const Arguments& to, const Surroundings& surroundings) {
  Outcome outcome;
  auto client = surroundings.connect(to.global.server, to.global.timeout);
  if (client) {
    outcome = to.command({.client = **client,
                          .options = to.global,
                          .clock = surroundings.clock,
                          .out = surroundings.out,
                          .err = surroundings.err});
  } else {
    outcome = std::unexpected(std::move(client.error()));
  }
  if (outcome) return ExitCode::kOk;
  surroundings.err << FailureText(outcome.error());
  return outcome.error().exit;
}

}  // namespace

ExitCode RunCommandLine(std::vector<std::string> arguments, const Surroundings& surroundings) {
  CLI::App app("remoractl controls a Remora sidecar: its servers and its health.", "remoractl");
  Arguments to;
  DefineCommands(app, to);
  if (const auto ended = Parse(app, std::move(arguments), surroundings)) return *ended;
  if (!to.command) {
    surroundings.err << FailureText(
        {.message = "no command: name one of servers list|get|add|remove, health and version",
         .hint = "`remoractl --help` shows commands and options"});
    return ExitCode::kUsage;
  }

  to.global.output = to.output == "json" ? OutputFormat::kJson : OutputFormat::kTable;
  to.global.timeout = *ParseDuration(to.timeout);
  if (to.global.server.empty()) {
    auto address = DefaultAddress(surroundings.environment);
    if (!address) {
      surroundings.err << FailureText(
          {.message = std::move(address.error()),
           .hint = "if you trust it, name it with --server unix:/path or REMORA_SERVER"});
      return ExitCode::kAuth;
    }
    to.global.server = *std::move(address);
  }
  return RunCommand(to, surroundings);
}

}  // namespace remora::cli
