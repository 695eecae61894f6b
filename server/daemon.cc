#include "server/daemon.h"

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/abseil.h"
#include "proxy/base/log.h"
#include "proxy/net/asio_loop.h"
#include "proxy/observe/access_log.h"
#include "proxy/proxy.h"
#include "server/admin/admin.h"
#include "server/admin/http_server.h"
#include "server/admin/live_feeds.h"
#include "server/config/flags.h"
#include "server/config/load.h"
#include "server/config/print.h"
#include "server/control/control_server.h"
#include "server/control/control_service.h"
#include "server/demo/demo_backends.h"
#include "server/exit_codes.h"
#include "server/file_watch.h"
#include "server/first_probes.h"
#include "server/readiness.h"
#include "server/reload.h"
#include "server/shutdown.h"
#include "server/signals.h"
#include "server/telemetry.h"
#include "server/version.h"

namespace remora::server {
namespace {

// Calls of the control API are short; whoever waits longer at the end is cut.
constexpr std::chrono::milliseconds kControlStopDeadline{1000};

// Each client and each backend connection is a descriptor, and the soft limit is mostly 1024.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void LogListening(std::string_view socket, std::string_view address) {
  log::Info("listening", {{"socket", socket}, {"address", address}});
}

class Daemon {
 public:
  // `access_log` may be null.
  Daemon(Config config, Reloader::Load load, proxy::AccessLog* access_log)
      : config_(std::move(config)),
        load_(std::move(load)),
        access_log_(access_log),
        signals_(loop_, [this](int signal) { OnSignal(signal); }),
        proxy_(config_.proxy, loop_, access_log),
        telemetry_(loop_, proxy_, access_log),
        first_probes_(loop_, proxy_.registry(), [this](auto unprobed) { BeReady(unprobed); }),
        shutdown_(loop_, proxy_, readiness_, config_.shutdown,
                  {.not_serving = [this] { control_->SetNotServing(); },
                   .over = [this](bool by_signal) { End(by_signal); }}),
        service_(
            proxy_.registry(), readiness_, std::string(Version()),
            {.counters = [this](auto pool, auto id) { return telemetry_.CountersOf(pool, id); },
             .listeners = [this] { return proxy_.listeners(); },
             .shutdown = [this](auto scope) { return shutdown_.Ask(scope); }}),
        feeds_(loop_, {.registry = proxy_.registry(),
                       .events = proxy_.events(),
                       .numbers = [this] { return Numbers(); },
                       .version = std::string(Version()),
                       .allow_mutations = config_.admin.allow_mutations,
                       .can_drain = true}) {}

  // Everything that can fail, before the first thread starts.
  int Prepare() {
    if (absl::Status status = OpenDemo(); !status.ok()) return Fail(kExitUnavailable, status);
    if (absl::Status status = FillRegistry(); !status.ok()) return Fail(kExitConfig, status);
    PrepareReload();
    auto control = ControlServer::Open(config_.control.address, config_.control.insecure);
    if (!control.ok()) return Fail(kExitUnavailable, control.status());
    control_ = *std::move(control);
    auto admin = HttpServer::Open(
        loop_, "admin", config_.admin.address, HttpServerLimits(),
        [this](const HttpRequest& request) { return AnswerAdmin(AdminState(), request); });
    if (!admin.ok()) return Fail(kExitUnavailable, admin.status());
    admin_ = *std::move(admin);
    return kExitOk;
  }

  int Start() {
    if (absl::Status status = proxy_.Start(); !status.ok()) return Fail(kExitUnavailable, status);
    readiness_.ListenersBound();
    for (const std::string& address : proxy_.listener_addresses()) LogListening("data", address);
    if (absl::Status status = control_->Start(service_); !status.ok()) {
      return Fail(kExitInternal, status);
    }
    LogListening("control", control_->address());
    admin_->Start();
    LogListening("admin", admin_->address());
    if (demo_ != nullptr) demo_->Start();
    telemetry_.Start();
    signals_.Start();
    StartFileWatch();
    first_probes_.Start();
    return kExitOk;
  }

  // Returns once the shutdown is over.
  void Run() { loop_.Run(); }

 private:
  static int Fail(int code, const absl::Status& status) {
    log::Error(ToStd(status.message()));
    return code;
  }

  AdminContext AdminState() {
    proxy::Registry& registry = proxy_.registry();
    return {.readiness = readiness_,
            .limit_hits = proxy_.limit_hits(),
            .metrics = [this] { return CollectMetrics(); },
            .registry = &registry,
            .numbers = [this](const proxy::ServerView& view) -> std::optional<ServerNumbers> {
              const auto counters = telemetry_.CountersOf(view.pool, view.id);
              return NumbersOf(view.pool, view.id, counters.value_or(ServerCounters()));
            },
            .feeds = &feeds_,
            .allow_mutations = config_.admin.allow_mutations,
            .config_json = [this] { return RenderConfigJson(reloader_->running()); },
            .drain = [&registry](auto pool, auto id,
                                 auto timeout) { return registry.Drain(pool, id, timeout); },
            .undrain = [&registry](auto pool, auto id) { return registry.Undrain(pool, id); }};
  }

  MetricsInput CollectMetrics() {
    MetricsInput input = telemetry_.Collect();
    input.control_calls = service_.calls();
    input.reloads = reloader_->stats();
    return input;
  }

  // As the control API has them.
  static ServerNumbers NumbersOf(const std::string& pool, const std::string& id,
                                 const ServerCounters& counters) {
    const auto in_ms = [](proxy::Duration duration) {
      return std::chrono::duration<double, std::milli>(duration).count();
    };
    ServerNumbers numbers{.pool = pool, .id = id};
    numbers.requests = counters.requests;
    numbers.failures = counters.failures;
    if (counters.p50) numbers.p50_ms = in_ms(*counters.p50);
    if (counters.p99) numbers.p99_ms = in_ms(*counters.p99);
    return numbers;
  }

  std::vector<ServerNumbers> Numbers() {
    std::vector<ServerNumbers> numbers;
    for (const Telemetry::Row& row : telemetry_.AllCounters()) {
      numbers.push_back(NumbersOf(row.pool, row.server, row.counters));
    }
    return numbers;
  }

  absl::Status OpenDemo() {
    if (!config_.demo) return absl::OkStatus();
    auto demo = DemoBackends::Open(loop_);
    if (!demo.ok()) return demo.status();
    demo_ = *std::move(demo);
    AddDemoServers(config_);
    return absl::OkStatus();
  }

  void AddDemoServers(Config& config) const {
    if (demo_ == nullptr) return;
    for (const DemoBackends::Backend& backend : demo_->backends()) {
      ListedServer server;
      server.id = backend.id;
      server.spec.url = backend.url;
      server.where = "--demo";
      server.origins = {{"id", "--demo"}, {"url", "--demo"}};
      config.servers.push_back(std::move(server));
    }
  }

  absl::Status FillRegistry() {
    proxy::Registry& registry = proxy_.registry();
    // In one step: each one added by itself publishes all those before it, which for 1,000 took
    // 50 ms instead of 5.
    if (registry.Replace("config", Desired(config_.servers)).ok()) return absl::OkStatus();
    // Nothing was added. One by one to find the place of the one that can't be.
    for (const ListedServer& server : config_.servers) {
      const auto added = registry.Add(server.pool, server.id, server.spec, "config");
      if (!added.ok()) {
        return absl::Status(added.status().code(),
                            ToAbsl(server.where + ": " + std::string(added.status().message())));
      }
    }
    return absl::OkStatus();
  }

  void BeReady(std::size_t unprobed) {
    readiness_.ServersProbed();
    control_->SetServing();
    log::Info("ready", {{"version", Version()},
                        {"commit", Commit()},
                        {"config", config_.file.empty() ? "none" : config_.file},
                        {"workers", config_.proxy.workers},
                        {"servers", config_.servers.size()},
                        {"unprobed", unprobed}});
  }

  void PrepareReload() {
    const auto load = [this] {
      absl::StatusOr<Config> next = load_();
      if (next.ok()) AddDemoServers(*next);
      return next;
    };
    reloader_ = std::make_unique<Reloader>(load, config_, proxy_.registry(), readiness_);
    if (config_.file.empty()) return;
    file_watch_ = std::make_unique<FileWatch>(loop_, config_.file, config_.file_stamp,
                                              [this] { Reload("file"); });
  }

  void StartFileWatch() {
    if (file_watch_ == nullptr) return;
    if (absl::Status status = file_watch_->Start(); !status.ok()) {
      log::Warn("the configuration file is not watched; send SIGHUP after a change",
                {{"file", config_.file}, {"detail", ToStd(status.message())}});
    }
  }

  void Reload(std::string_view cause) {
    if (shutdown_.drains_all()) return log::Info("draining, so the configuration is not reloaded");
    if (file_watch_ != nullptr) file_watch_->Acknowledge();
    const bool reloaded = reloader_->Reload(cause);
    proxy::Event event;
    event.kind = "reload";
    event.cause = cause;
    event.to = reloaded ? "in effect" : "refused; the old configuration goes on";
    proxy_.events().Add(std::move(event));
  }

  void OnSignal(int signal) {
    if (signal == SIGUSR1) return ToggleDebug();
    if (signal == SIGHUP) {
      if (access_log_ != nullptr) access_log_->Reopen();
      return Reload("SIGHUP");
    }
    log::Info("signal", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
    shutdown_.OnSignal();
  }

  // Between `debug` and what is configured.
  void ToggleDebug() {
    const bool debug = log::CurrentLevel() == log::Level::kDebug;
    const log::Level configured = config_.log.level;
    const log::Level back = configured == log::Level::kDebug ? log::Level::kInfo : configured;
    log::SetLevel(debug ? back : log::Level::kDebug);
    log::Info("log level", {{"level", log::LevelName(log::CurrentLevel())}, {"by", "SIGUSR1"}});
  }

  // Everything has drained.
  void End(bool by_signal) {
    control_->Stop(by_signal ? std::chrono::milliseconds(0) : kControlStopDeadline);
    admin_->Stop();
    feeds_.Stop();
    if (demo_ != nullptr) demo_->Stop();
    telemetry_.Stop();
    first_probes_.Stop();
    signals_.Stop();
    if (file_watch_ != nullptr) file_watch_->Stop();
    loop_.Close();
  }

  Config config_;  // as at the start; reloader_->running() is what is in effect
  const Reloader::Load load_;
  proxy::AccessLog* const access_log_;
  proxy::net::AsioLoop loop_;
  Signals signals_;
  proxy::Proxy proxy_;
  Telemetry telemetry_;
  FirstProbes first_probes_;
  Readiness readiness_;
  Shutdown shutdown_;
  ControlService service_;
  LiveFeeds feeds_;
  std::unique_ptr<DemoBackends> demo_;
  std::unique_ptr<Reloader> reloader_;
  std::unique_ptr<FileWatch> file_watch_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<HttpServer> admin_;
};

const char* Environment(const char* name) { return getenv(name); }

// The file that was found at the start is the file: if it goes away, that is an error and not a
// configuration without servers.
Reloader::Load LoadAgain(Flags flags, const std::string& file) {
  if (!file.empty()) flags.config_file = file;
  return [flags = std::move(flags)] { return LoadConfig(flags, Environment); };
}

}  // namespace

int RunDaemon(Config config, Reloader::Load load) {
  log::Init(config.log.level, config.log.format);
  Signals::Block();
  // A peer that has gone is told by the return of the write.
  std::signal(SIGPIPE, SIG_IGN);
  RaiseFileLimit();
  for (const std::string& warning : config.warnings) log::Warn(warning);

  std::unique_ptr<proxy::AccessLog> access_log;  // ends last, with what is still queued
  if (config.log.access.enabled) {
    auto opened = proxy::AccessLog::Open(config.log.access,
                                         /*colour=*/std::getenv("NO_COLOR") == nullptr);
    if (!opened.ok()) {
      log::Error(ToStd(opened.status().message()));
      return kExitUnavailable;
    }
    access_log = *std::move(opened);
  }
  Daemon daemon(std::move(config), std::move(load), access_log.get());
  if (const int code = daemon.Prepare(); code != kExitOk) return code;
  if (const int code = daemon.Start(); code != kExitOk) return code;
  daemon.Run();
  log::Info("ended");
  return kExitOk;
}

int Main(int argc, const char* const* argv) {
#ifdef NDEBUG
  // Abseil's search for deadlocks asks a graph of all mutexes at each lock, and is on in Debian's
  // build: 2 ms of a start with 1,000 servers. Builds for tests keep it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  const std::variant<Flags, int> parsed = ParseFlags(argc, argv);
  if (const int* const code = std::get_if<int>(&parsed)) return *code;
  const Flags& flags = std::get<Flags>(parsed);
  if (flags.version) {
    std::printf("%s\n", VersionLine().c_str());
    return kExitOk;
  }
  if (flags.print_schema) {
    std::fputs(RenderConfigSchema().c_str(), stdout);
    return kExitOk;
  }
  absl::StatusOr<Config> config = LoadConfig(flags, Environment);
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", std::string(config.status().message()).c_str());
    return kExitConfig;
  }
  if (flags.validate) {
    std::printf("%s: valid\n", config->file.empty() ? "no file" : config->file.c_str());
    return kExitOk;
  }
  if (flags.print_config) {
    std::fputs(RenderConfigYaml(*config).c_str(), stdout);
    return kExitOk;
  }
  Reloader::Load load_again = LoadAgain(flags, config->file);
  return RunDaemon(*std::move(config), std::move(load_again));
}

}  // namespace remora::server
