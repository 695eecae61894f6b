#include "cli/discovery/discover.h"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <memory>
#include <random>
#include <utility>

#include "cli/apply/plan.h"
#include "cli/commands/print.h"
#include "cli/discovery/admin.h"
#include "cli/discovery/controller.h"
#include "cli/discovery/dns_source.h"
#include "cli/discovery/file_source.h"
#include "cli/discovery/kubernetes_access.h"
#include "cli/discovery/kubernetes_source.h"
#include "cli/discovery/settings.h"

namespace remora::cli {
namespace {

using discovery::Admin;
using discovery::AdminAnswer;
using discovery::Controller;
using discovery::DnsSource;
using discovery::FileSource;
using discovery::KubernetesSource;
using discovery::Log;
using discovery::NameOf;
using discovery::Numbers;
using discovery::Shape;
using discovery::SourceReport;

Shape ShapeOf(const DiscoverOptions& options) {
  return {.pool = options.pool.empty() ? "default" : options.pool,
          .scheme = options.scheme,
          .path_prefix = options.path_prefix};
}

Controller::Options RulesOf(const DiscoverOptions& options) {
  Controller::Options rules{.name = NameOf(options),
                            .drain_timeout = options.drain_timeout,
                            .once = options.once || options.dry_run,
                            .dry_run = options.dry_run,
                            .rules = {}};
  rules.rules.resync = options.resync;
  rules.rules.poll = options.poll;
  // A dry run is to show all that differs.
  rules.rules.hold = options.dry_run ? std::chrono::milliseconds(0) : options.hold;
  if (rules.once) rules.rules.first_probes = std::chrono::milliseconds(0);  // nobody waits for them
  rules.rules.seed = std::random_device()();
  return rules;
}

Outcome AddServices(const DiscoverOptions& options, boost::asio::io_context& io,
                    Controller& controller) {
  const auto access = discovery::FindAccess(discovery::KubernetesEnvironment::OfThisProcess());
  if (!access) return std::unexpected(access.error());
  for (const std::string& text : options.services) {
    const discovery::ServiceName service = *discovery::ParseService(text);
    controller.Add(text, [&](SourceReport report) {
      return std::make_unique<KubernetesSource>(
          io, *access, service,
          discovery::SliceRules{.shape = ShapeOf(options),
                                .port = service.port,
                                .prefer_zone = options.prefer_zone ? options.zone : ""},
          std::chrono::ceil<std::chrono::seconds>(options.resync), std::random_device()(),
          std::move(report));
    });
  }
  return {};
}

void AddNames(const DiscoverOptions& options, boost::asio::io_context& io, Controller& controller) {
  const auto settings = [&options] {
    return DnsSource::Settings{.server = options.dns_server,
                               .shape = ShapeOf(options),
                               .resync = options.resync,
                               .seed = std::random_device()()};
  };
  for (const std::string& text : options.hosts) {
    controller.Add(text, [&](SourceReport report) {
      return std::make_unique<DnsSource>(io, *discovery::ParseHostPort(text), settings(),
                                         std::move(report));
    });
  }
  for (const std::string& name : options.records) {
    controller.Add(name, [&](SourceReport report) {
      return std::make_unique<DnsSource>(io, name, settings(), std::move(report));
    });
  }
}

Outcome AddSources(const DiscoverOptions& options, boost::asio::io_context& io,
                   Controller& controller) {
  if (options.source == "kubernetes") return AddServices(options, io, controller);
  if (options.source == "dns") {
    AddNames(options, io, controller);
  } else {
    controller.Add(options.file, [&](SourceReport report) {
      return std::make_unique<FileSource>(io, options.file, ShapeOf(options).pool,
                                          std::move(report));
    });
  }
  return {};
}

AdminAnswer AnswerAdmin(std::string_view path, const Controller& controller) {
  if (path == "/livez") return {.body = "ok\n"};
  const Numbers numbers = controller.numbers();
  if (path == "/readyz" || path == "/startupz") {
    return {.status = IsReady(numbers) ? 200U : 503U, .body = ReadyText(numbers)};
  }
  if (path == "/metrics") {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
            .body = MetricsText(numbers)};
  }
  return {.status = 404, .body = "there are /livez, /readyz and /metrics\n"};
}

// Runs until a signal, or with `once` until there is an outcome.
Outcome RunUntilSignal(boost::asio::io_context& io, Controller& controller, Admin& admin,
                       Log& log) {
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  const auto stop = [&] {
    controller.Stop();
    admin.Stop();
    // The next one ends the process at once.
    boost::system::error_code ignored;
    signals.clear(ignored);
    signals.cancel(ignored);
  };
  signals.async_wait([&](boost::system::error_code error, int signal) {
    if (error) return;
    log.Info("ends, the servers stay", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
    stop();
  });
  controller.OnEnd(stop);
  return controller.Run();
}

}  // namespace

Outcome Discover(const DiscoverOptions& options, const Context& context) {
  if (auto checked = discovery::CheckOptions(options); !checked) return checked;
  Log log(context.err, ::isatty(STDERR_FILENO) != 0 ? Log::Format::kText : Log::Format::kJson);
  boost::asio::io_context io;
  Controller controller(io, context.client, log, RulesOf(options));
  if (auto added = AddSources(options, io, controller); !added) return added;
  Admin admin(io, [&controller](std::string_view path) { return AnswerAdmin(path, controller); });
  const bool serves = !options.once && !options.dry_run;
  if (serves && options.admin != "none") {
    if (auto bound = admin.Bind(options.admin); !bound) return bound;
    log.Info("listening", {{"socket", "admin"}, {"address", admin.address()}});
    admin.Start();
  }
  if (serves) {
    log.Info("discovers", {{"owner", "discovery:" + NameOf(options)},
                           {"source", options.source},
                           {"sidecar", context.options.server}});
  }
  auto outcome = RunUntilSignal(io, controller, admin, log);
  if (outcome && options.dry_run) {
    const Plan plan = PlanOf(controller.preview());
    for (const Step& step : plan.steps) PrintStep(step, context);
    NoteSummary(plan, /*dry_run=*/true, context);
  }
  return outcome;
}

}  // namespace remora::cli
