#include "cli/arguments.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/arguments_lifecycle.h"
#include "cli/duration.h"
#include "cli/help.h"
#include "cli/version.h"

namespace remora::cli {
namespace {

using enum OutputFormat;

constexpr std::array<std::pair<std::string_view, OutputFormat>, 6> kFormats = {{
    {"table", kTable},
    {"wide", kWide},
    {"json", kJson},
    {"yaml", kYaml},
    {"name", kName},
    {"jsonl", kJsonl},
}};
const std::vector<OutputFormat> kOfServers = {kTable, kWide, kJson, kYaml, kName, kJsonl};

constexpr const char* kFooter =
    R"(They go with every command, before or after it. Data goes to stdout, all else to stderr.
Exit codes: 0 done, 1 failed (health: not ready), 2 wrong arguments, 3 not found, 4 already there or
  not in that state, 5 not permitted, 69 unreachable, 124 --timeout has passed, 130 interrupted
Examples:
  remoractl servers list -o wide
)";

constexpr const char* kListFooter =
    R"(Output: table, wide, json, yaml, name and jsonl (an object a line).
--watch goes on with a row for each change, with jsonl {"type": "ADDED|MODIFIED|REMOVED", "server":
{...}}; it takes table, wide, name and jsonl. Changes are found within half a second.
Examples:
  remoractl servers list --pool default
  remoractl servers list -o json
  remoractl servers list --watch -o jsonl
)";

constexpr const char* kGetFooter = R"(Examples:
  remoractl servers get app-1
  remoractl servers get default/app-1 -o yaml
)";

constexpr const char* kAddFooter =
    R"(Adding the same again succeeds; the same id with another content is exit code 4.
Examples:
  remoractl servers add http://127.0.0.1:9001
  remoractl servers add 127.0.0.1:9002/api --id app-2 --weight 2 --max-active 100 --label zone=a
)";

constexpr const char* kRemoveFooter =
    R"(When it returns, no request is picked for the server any more.
Examples:
  remoractl servers remove app-1 --drain-timeout 10s --wait
  remoractl servers remove http://127.0.0.1:9001 --allow-missing
)";

constexpr const char* kDrainFooter =
    R"(When it returns, no request is picked for the server any more. It stays listed as DRAINING, and is
probed, until `undrain` or `remove`; what still runs at the deadline is cut.
Examples:
  remoractl servers drain app-1
  remoractl servers drain default/app-1 --drain-timeout 10s --wait
)";

constexpr const char* kUndrainFooter = R"(The server has the state that its probes found meanwhile.
Examples:
  remoractl servers undrain app-1
)";

constexpr const char* kApplyFooter = R"(A file, where all but the url may be left out:
  servers:
    - http://127.0.0.1:9001
    - {id: b, url: 127.0.0.1:9002, weight: 2, max_active: 100, labels: {zone: a}, pool: default}
Shows + for added, ~ for changed and - for removed. Running requests of what is changed go on; only
another url means remove and add. Servers of the configuration file of remorad are never changed.
Examples:
  remoractl servers apply -f servers.yaml --dry-run
  remoractl servers apply -f servers.yaml --prune
)";

constexpr const char* kHealthFooter = R"(Exit code 1 when it is not ready: good as a probe.
Examples:
  remoractl health
  remoractl health -o json
)";

constexpr const char* kStatusFooter =
    R"(Exit code 0 also when it is not ready; `health` is for probes.
Examples:
  remoractl status
)";

constexpr const char* kTopFooter =
    R"(Keys: q or Ctrl-C leaves. Needs a terminal; programs read `servers list --watch -o jsonl`.
RPS is counted between two looks, P50 and P99 over about the last minute.
Examples:
  remoractl top --interval 500ms
)";

constexpr const char* kConfigFooter =
    R"(The address is --server, else REMORA_SERVER, else the first socket that you or root made of
$XDG_RUNTIME_DIR/remora/control.sock, /tmp/remora-<uid>/control.sock and /run/remora/control.sock;
root calls the last one. Nothing is called.
Examples:
  remoractl config
  remoractl config -o yaml
)";

constexpr const char* kCompletionFooter =
    R"(Ids of servers and names of pools are asked of the sidecar, which has half a second to answer.
Examples:
  source <(remoractl completion bash)
  remoractl completion zsh
  remoractl completion fish
)";

constexpr const char* kVersionFooter = R"(Succeeds also where no sidecar answers.
Examples:
  remoractl version
)";

// CLI11 calls these with the text of a value; what they return is the error.
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
  return ParseFormat(text)
             ? std::string()
             : "'" + text + "' is not a format: table, wide, json, yaml, name and jsonl are";
}

std::string CheckShell(const std::string& text) {
  const bool good = text == "bash" || text == "zsh" || text == "fish";
  return good ? std::string() : "'" + text + "' is not a shell: bash, zsh and fish are";
}

void DefineGlobalOptions(CLI::App& app, Arguments& to) {
  app.add_option("-o,--output", to.output, "Format of the data")
      ->check(CheckOutput)
      ->type_name("table|wide|json|yaml|name|jsonl")
      ->capture_default_str();
  app.add_option("--timeout", to.timeout, "How long each call may take")
      ->check(CheckTimeout)
      ->type_name("DURATION")
      ->capture_default_str();
  app.add_option("--server", to.global.server,
                 "Control API, unix:/path or host:port [REMORA_SERVER]")
      ->type_name("ADDRESS");
  app.add_flag("--no-headers", to.global.no_headers, "Tables without their first line");
  app.add_flag("-q,--quiet", to.global.quiet, "No remarks on stderr; errors stay");
}

void AddServerArgument(CLI::App& app, std::string& server, std::string& pool) {
  app.add_option("server", server, "Its id, pool/id, or its url")
      ->required()
      ->type_name("ID_OR_URL");
  app.add_option("--pool", pool, "Its pool [default]")->type_name("NAME");
}

void AddDrainTimeout(CLI::App& app, Arguments& to) {
  app.add_option("--drain-timeout", to.drain_timeout,
                 "How long running requests may go on [30s]; 0 cuts at once")
      ->check(CheckDuration)
      ->type_name("DURATION");
}

std::optional<std::chrono::milliseconds> DrainTimeoutOf(const Arguments& from) {
  if (from.drain_timeout.empty()) return std::nullopt;
  return *ParseDuration(from.drain_timeout);
}

void DefineReadCommands(CLI::App& servers, Arguments& to) {
  CLI::App* list =
      DefineCommand(servers, to, "list", "Lists the servers, all pages", kListFooter, kOfServers,
                    [&to](const Context& context) { return ServersList(to.list, context); });
  list->add_option("--pool", to.list.pool, "Only this pool")->type_name("NAME");
  list->add_flag("-w,--watch", to.list.watch, "Go on with each change, until interrupted");
  CLI::App* get =
      DefineCommand(servers, to, "get", "Shows one server", kGetFooter, kOfServers,
                    [&to](const Context& context) { return ServersGet(to.get, context); });
  AddServerArgument(*get, to.get.server, to.get.pool);
}

void DefineAddCommand(CLI::App& servers, Arguments& to) {
  CLI::App* add = DefineCommand(
      servers, to, "add", "Adds a server; it takes traffic after its first passed probe",
      kAddFooter, kOfServers, [&to](const Context& context) {
        for (const std::string& label : to.labels) {
          const std::size_t equals = label.find('=');
          to.add.labels[label.substr(0, equals)] = label.substr(equals + 1);
        }
        return ServersAdd(to.add, context);
      });
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
}

void DefineRemoveCommand(CLI::App& servers, Arguments& to) {
  CLI::App* remove = DefineCommand(
      servers, to, "remove", "Removes a server; requests that run may finish until --drain-timeout",
      kRemoveFooter, kOfServers, [&to](const Context& context) {
        to.remove.drain_timeout = DrainTimeoutOf(to);
        return ServersRemove(to.remove, context);
      });
  AddServerArgument(*remove, to.remove.server, to.remove.pool);
  AddDrainTimeout(*remove, to);
  remove->add_flag("--allow-missing", to.remove.allow_missing, "Succeed where there is none");
  remove->add_flag("--wait", to.remove.wait, "Wait until its last request has ended");
}

void DefineDrainCommands(CLI::App& servers, Arguments& to) {
  CLI::App* drain =
      DefineCommand(servers, to, "drain", "Takes a server out of the traffic and keeps it listed",
                    kDrainFooter, kOfServers, [&to](const Context& context) {
                      to.drain.drain_timeout = DrainTimeoutOf(to);
                      return ServersDrain(to.drain, context);
                    });
  AddServerArgument(*drain, to.drain.server, to.drain.pool);
  AddDrainTimeout(*drain, to);
  drain->add_flag("--wait", to.drain.wait, "Wait until its last request has ended");
  CLI::App* undrain = DefineCommand(
      servers, to, "undrain", "Brings a drained server back", kUndrainFooter, kOfServers,
      [&to](const Context& context) { return ServersUndrain(to.undrain, context); });
  AddServerArgument(*undrain, to.undrain.server, to.undrain.pool);
}

void DefineApplyCommand(CLI::App& servers, Arguments& to) {
  CLI::App* apply = DefineCommand(
      servers, to, "apply", "Makes the servers what a file says, and shows what differs",
      kApplyFooter, kOfText,
      [&to](const Context& context) { return ServersApply(to.apply, context); });
  apply->add_option("-f,--file", to.apply.file, "The file; - for stdin")
      ->required()
      ->type_name("FILE");
  apply->add_flag("--dry-run", to.apply.dry_run, "Show the differences and change nothing");
  apply->add_flag("--prune", to.apply.prune,
                  "Remove servers that are not in the file, if the API added them");
}

void DefineLocalCommands(CLI::App& app, Arguments& to) {
  CLI::App* config =
      app.add_subcommand("config", "Shows what this client uses, and where it comes from");
  config->footer(kConfigFooter);
  config->callback([&to] {
    to.local = Arguments::Local::kConfig;
    to.formats = kOfDocuments;
  });
  CLI::App* completion =
      app.add_subcommand("completion", "Prints a script for completion in a shell");
  completion->add_option("shell", to.shell, "Which shell")
      ->required()
      ->check(CheckShell)
      ->type_name("bash|zsh|fish");
  completion->footer(kCompletionFooter);
  completion->callback([&to] {
    to.local = Arguments::Local::kCompletion;
    to.formats = kOfText;
  });
}

}  // namespace

std::optional<OutputFormat> ParseFormat(const std::string& text) {
  for (const auto& [name, format] : kFormats) {
    if (name == text) return format;
  }
  return std::nullopt;
}

std::string FormatName(OutputFormat format) {
  const auto found =
      std::ranges::find(kFormats, format, [](const auto& entry) { return entry.second; });
  return std::string(found->first);
}

std::string CheckDuration(const std::string& text) {
  const auto duration = ParseDuration(text);
  return duration ? std::string() : duration.error();
}

std::string CheckInterval(const std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration) return duration.error();
  return duration->count() >= 100 ? std::string() : "'" + text + "' is too short: 100ms at least";
}

CLI::Validator OneOf(std::vector<std::string> names) {
  return CLI::Validator(
      [names = std::move(names)](std::string& text) {
        if (std::ranges::find(names, text) != names.end()) return std::string();
        std::string all;
        for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
        return "'" + text + "' is none of " + all;
      },
      "");
}

CLI::App* DefineCommand(CLI::App& parent, Arguments& to, const std::string& name,
                        const std::string& description, const char* footer,
                        const std::vector<OutputFormat>& formats,
                        std::function<Outcome(const Context&)> command) {
  CLI::App* app = parent.add_subcommand(name, description);
  app->footer(footer);
  app->callback([&to, &formats, command = std::move(command)] {
    to.command = command;
    to.formats = formats;
  });
  return app;
}

void DefineCommands(CLI::App& app, Arguments& to) {
  app.formatter_fn([](const CLI::App* shown, std::string /*name*/, CLI::AppFormatMode /*mode*/) {
    return HelpText(*shown);
  });
  app.set_version_flag("--version", [] { return "remoractl " + ClientVersion(); });
  DefineGlobalOptions(app, to);
  app.fallthrough();             // global options may stand after the command
  app.require_subcommand(0, 1);  // none is reported by RunCommandLine, more clearly
  app.footer(kFooter);
  CLI::App* servers = app.add_subcommand(
      "servers", "Servers behind the sidecar: list, get, add, remove, drain, undrain, apply");
  servers->require_subcommand(0, 1);
  servers->footer("`remoractl servers COMMAND --help` shows its options and examples.\n");
  DefineReadCommands(*servers, to);
  DefineAddCommand(*servers, to);
  DefineRemoveCommand(*servers, to);
  DefineDrainCommands(*servers, to);
  DefineApplyCommand(*servers, to);
  DefineCommand(app, to, "health", "Shows whether the sidecar is ready, and its pools",
                kHealthFooter, kOfDocuments, Health);
  DefineCommand(app, to, "status", "Shows readiness, pools, and servers that take no traffic",
                kStatusFooter, kOfDocuments, Status);
  CLI::App* top = DefineCommand(app, to, "top", "Shows the servers live, as a table", kTopFooter,
                                kOfText, [&to](const Context& context) {
                                  to.top.interval = *ParseDuration(to.top_interval);
                                  return Top(to.top, context);
                                });
  top->add_option("--interval", to.top_interval, "How often it is drawn")
      ->check(CheckInterval)
      ->type_name("DURATION")
      ->capture_default_str();
  top->add_option("--pool", to.top.pool, "Only this pool")->type_name("NAME");
  DefineInject(app, to);
  DefineDiscover(app, to);
  DefineLocalCommands(app, to);
  DefineCommand(app, to, "version", "Shows the versions of client and server", kVersionFooter,
                kOfDocuments, Version);
  DefineLifecycleCommands(app, to);
}

}  // namespace remora::cli
