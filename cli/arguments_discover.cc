// The command line of `remoractl discover`.
#include "cli/arguments.h"
#include "cli/duration.h"

namespace remora::cli {
namespace {

constexpr const char* kFooter = R"(Examples:
  remoractl discover --source file --file servers.yaml --once
  remoractl discover --source dns --host localhost:9001 --dry-run
)";

// An option that is a duration, written to `to`.
CLI::Option* AddDuration(CLI::App& app, const std::string& name, const std::string& description,
                         std::string (*check)(const std::string&),
                         std::function<void(std::chrono::milliseconds)> to) {
  return app
      .add_option_function<std::string>(
          name, [to = std::move(to)](const std::string& text) { to(*ParseDuration(text)); },
          description)
      ->check(check)
      ->type_name("DURATION");
}

void AddSourceOptions(CLI::App& app, DiscoverOptions& to) {
  app.add_option("--source", to.source, "Where servers are found")
      ->required()
      ->check(OneOf({"kubernetes", "dns", "file"}))
      ->type_name("kubernetes|dns|file");
  const auto several = [&app](const char* name, std::vector<std::string>& values,
                              const char* description, const char* type) {
    app.add_option(name, values, description)->type_name(type)->allow_extra_args(false);
  };
  several("--service", to.services, "Its EndpointSlices; PORT: a name, or a pod's; several",
          "NS/NAME[:PORT]");
  several("--host", to.hosts, "Its addresses (A, or else AAAA); several", "NAME:PORT");
  several("--srv", to.records, "The hosts and ports that it names; several", "NAME");
  app.add_option("-f,--file", to.file, "As of `servers apply`; read again when it changes")
      ->type_name("FILE");
  app.add_option("--zone", to.zone, "The zone that this sidecar is in")->type_name("NAME");
  app.add_flag("--prefer-zone", to.prefer_zone, "Weight 100 for servers hinted to --zone");
  app.add_option("--dns-server", to.dns_server, "Instead of those of resolv.conf")
      ->type_name("IP:PORT");
}

void AddServerOptions(CLI::App& app, DiscoverOptions& to) {
  app.add_option("--name", to.name, "Owner of the servers [pool, service or source]")
      ->type_name("NAME");
  app.add_option("--pool", to.pool, "Pool of the servers [default]")->type_name("NAME");
  app.add_option("--scheme", to.scheme, "Of their urls")
      ->type_name("http|https")
      ->capture_default_str();
  app.add_option("--path-prefix", to.path_prefix, "Of their urls, as /api")->type_name("PATH");
  AddDuration(app, "--drain-timeout", "Of servers that go [30s]", CheckDuration,
              [&to](std::chrono::milliseconds value) { to.drain_timeout = value; });
}

void AddRunOptions(CLI::App& app, DiscoverOptions& to) {
  AddDuration(app, "--resync", "How often all is read anew", CheckInterval,
              [&to](std::chrono::milliseconds value) { to.resync = value; })
      ->default_str("5m");
  AddDuration(app, "--hold", "How long a mass removal is held; 0: not at all", CheckDuration,
              [&to](std::chrono::milliseconds value) { to.hold = value; })
      ->default_str("30s");
  AddDuration(app, "--poll", "How often the sidecar is asked for its revision", CheckInterval,
              [&to](std::chrono::milliseconds value) { to.poll = value; })
      ->group("");
  app.add_option("--admin", to.admin, "Its /livez, /readyz and /metrics; none: no port")
      ->type_name("IP:PORT")
      ->capture_default_str();
  app.add_flag("--once", to.once, "End after one sync");
  app.add_flag("--dry-run", to.dry_run, "Show what a sync would change, and end");
}

}  // namespace

void DefineDiscover(CLI::App& app, Arguments& to) {
  CLI::App* discover = DefineCommand(
      app, to, "discover", "Keeps the servers as Kubernetes, DNS or a file say, until it is ended",
      kFooter, kOfText, [&to](const Context& context) { return Discover(to.discover, context); });
  discover->group(kGroupOfPods);
  AddSourceOptions(*discover, to.discover);
  AddServerOptions(*discover, to.discover);
  AddRunOptions(*discover, to.discover);
}

}  // namespace remora::cli
