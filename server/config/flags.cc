#include "server/config/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/exit_codes.h"

namespace remora::server {
namespace {

// A flag with one value, as the setting that it overrides.
struct ScalarFlag {
  const char* name;
  const char* path;
  const char* value;
  const char* help;
};

constexpr ScalarFlag kScalarFlags[] = {
    {"--workers", "workers", "N|auto", "Data-plane threads"},
    {"--control", "control.address", "ADDR", "Control API: unix:/path, or ip:port on loopback"},
    {"--admin", "admin.address", "ADDR",
     "Admin port (/livez, /readyz, /startupz, /metrics), ip:port"},
    {"--log-level", "log.level", "LEVEL", "debug, info, warn or error"},
    {"--log-format", "log.format", "FORMAT", "auto (text on a terminal), text or json"},
    {"--shutdown-delay", "shutdown.delay", "TIME", "From the signal until listeners close (5s)"},
    {"--shutdown-deadline", "shutdown.deadline", "TIME", "From the signal until the cut (28s)"},
};

constexpr char kFooter[] =
    R"(Flags win over REMORA_* variables (REMORA_LOG_LEVEL is log.level), these over the file.
Exit codes: 0 as asked, 64 wrong usage, 69 address can't be bound, 70 bug, 78 wrong configuration
Examples:
  remorad --demo
  remorad --listen 0.0.0.0:3000 --server 10.0.0.5:8080 --server 10.0.0.6:8080
)";

// One screen: each flag with its value on a line, then the footer.
std::string HelpText(const CLI::App& app) {
  constexpr std::size_t kColumn = 30;
  std::string text = app.get_description() + "\nUsage: remorad [OPTIONS]\nOptions:\n";
  // Whoever reads it knows --help.
  const auto shown = [&app](const CLI::Option* option) { return option != app.get_help_ptr(); };
  for (const CLI::Option* option : app.get_options(shown)) {
    std::string line = "  " + option->get_name();
    if (option->get_items_expected_max() > 0) line += " " + option->get_type_name();
    line.resize(std::max(line.size() + 1, kColumn), ' ');
    text += line + option->get_description() + "\n";
  }
  return text + app.get_footer();
}

}  // namespace

std::variant<Flags, int> ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  std::string config_file;
  std::vector<std::string> listen;
  std::vector<std::string> servers;
  std::vector<std::string> scalars(std::size(kScalarFlags));
  bool insecure = false;

  CLI::App app("Remora, a service mesh sidecar controlled over gRPC", "remorad");
  app.footer(kFooter);
  app.formatter_fn([](const CLI::App* shown, std::string /*name*/, CLI::AppFormatMode /*mode*/) {
    return HelpText(*shown);
  });
  app.add_option("--config", config_file,
                 "YAML file [./config.yaml, else /etc/remora/config.yaml, else none]")
      ->type_name("FILE");
  app.add_option("--listen", listen,
                 "Data listener of pool default, or of the only pool; may be given again")
      ->type_name("ADDR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--server", servers, "Backend of pool default; may be given again")
      ->type_name("URL")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  std::vector<CLI::Option*> scalar_options;
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    const ScalarFlag& flag = kScalarFlags[i];
    scalar_options.push_back(
        app.add_option(flag.name, scalars[i], flag.help)->type_name(flag.value));
  }
  app.add_flag("--control-insecure", insecure, "Allow a TCP control address on loopback");
  app.add_flag("--validate", flags.validate, "Check the configuration and exit with 0 or 78");
  app.add_flag("--print-config", flags.print_config,
               "Print every setting and where it came from, and exit with 0 or 78");
  app.add_flag("--print-schema", flags.print_schema, "Print the JSON Schema of the file");
  app.add_flag("--demo", flags.demo, "Serve three embedded backends on 127.0.0.1:3000");
  app.add_flag("--version", flags.version, "Print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }

  if (!config_file.empty()) flags.config_file = config_file;
  if (!listen.empty()) flags.overrides.push_back({"--listen", "listeners", std::move(listen)});
  if (!servers.empty()) flags.overrides.push_back({"--server", "servers", std::move(servers)});
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    if (scalar_options[i]->count() == 0) continue;
    flags.overrides.push_back({kScalarFlags[i].name, kScalarFlags[i].path, {scalars[i]}});
  }
  if (insecure) flags.overrides.push_back({"--control-insecure", "control.insecure", {"true"}});
  return flags;
}

}  // namespace remora::server
