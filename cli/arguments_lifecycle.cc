#include "cli/arguments_lifecycle.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "cli/duration.h"

namespace remora::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kWaitLimit = seconds(60);
// Of a wait that is given longer: a call without an answer is made again.
constexpr milliseconds kCallLimit = seconds(5);

constexpr const char* kWaitFooter =
    R"(--timeout is for the whole wait, 60s unless given: exit code 124. The sidecar may come later.
drained: no listener that drains is left, or the sidecar was there and has ended.
Examples:
  remoractl wait --for=ready
  remoractl wait --for=ready --timeout 10s
)";

constexpr const char* kShutdownFooter =
    R"(all: as SIGTERM. inbound: what others call drains and closes, and readiness ends; the application
can go on calling others until `all`. It can't be taken back; both count from the first call.
Examples:
  remoractl shutdown --scope inbound
  remoractl shutdown --wait
)";

constexpr const char* kPreStopFooter =
    R"(For the preStop hook of the sidecar: `shutdown --scope inbound` that also succeeds when the sidecar
has ended already. With --wait as a hook of the application it ends once nobody calls that any more.
Examples:
  remoractl prestop
  remoractl prestop --wait
)";

constexpr const char* kHealthCheckFooter =
    R"(Says nothing: exit code 0, 1 (not ready) or 69 (nothing answers). `health` says why.
Examples:
  remoractl healthcheck --timeout 1s
  remoractl healthcheck --live
)";

constexpr const char* kExecFooter =
    R"(Waits for a ready sidecar (--timeout, 60s unless given: exit code 124), starts the command, hands
signals on to it and ends with its exit code: 128 and the number where a signal ended it, 126 or
127 where it can't be started. As process 1 it takes away dead children. When the command has ended,
it tells the sidecar to end: always, on-success (for restartPolicy: OnFailure) or never.
Examples:
  remoractl exec -- echo "beside a sidecar that is ready"
  remoractl exec --timeout 30s --shutdown never -- env
)";

constexpr std::array<std::pair<std::string_view, ExecOptions::Shutdown>, 3> kShutdowns = {
    {{"always", ExecOptions::Shutdown::kAlways},
     {"on-success", ExecOptions::Shutdown::kOnSuccess},
     {"never", ExecOptions::Shutdown::kNever}}};

// The whole wait has --timeout, each of its calls less.
milliseconds WaitLimit(const CLI::App& app, const Arguments& from) {
  return app.get_option("--timeout")->count() == 0 ? kWaitLimit : from.global.timeout;
}

CLI::App* InPods(CLI::App* command) {
  command->group(kGroupOfPods);
  return command;
}

void DefineWait(CLI::App& app, Arguments& to) {
  CLI::App* wait =
      InPods(DefineCommand(app, to, "wait", "Waits until the sidecar is ready, or has drained",
                           kWaitFooter, kOfText, [&app, &to](const Context& context) {
                             const Awaited awaited = to.lifecycle.wait_for == "ready"
                                                         ? Awaited::kReady
                                                         : Awaited::kDrained;
                             return Wait(awaited, WaitLimit(app, to), context);
                           }));
  wait->parse_complete_callback([&to] { to.longest_call = kCallLimit; });
  wait->add_option("--for", to.lifecycle.wait_for, "For what")
      ->check(OneOf({"ready", "drained"}))
      ->type_name("ready|drained")
      ->capture_default_str();
}

void DefineShutdown(CLI::App& app, Arguments& to) {
  CLI::App* shutdown = InPods(DefineCommand(
      app, to, "shutdown", "Begins the orderly end of the sidecar, or of its inbound traffic",
      kShutdownFooter, kOfDocuments, [&to](const Context& context) {
        return Shutdown({.inbound = to.lifecycle.scope == "inbound", .wait = to.lifecycle.wait},
                        context);
      }));
  shutdown->add_option("--scope", to.lifecycle.scope, "What drains")
      ->check(OneOf({"all", "inbound"}))
      ->type_name("all|inbound")
      ->capture_default_str();
  shutdown->add_flag("--wait", to.lifecycle.wait, "Wait until it has drained");
  CLI::App* prestop = InPods(DefineCommand(
      app, to, "prestop", "Lets the inbound traffic drain, as the first step of a pod's end",
      kPreStopFooter, kOfDocuments,
      [&to](const Context& context) { return PreStop(to.lifecycle.wait, context); }));
  prestop->add_flag("--wait", to.lifecycle.wait, "Wait until it has drained");
}

void DefineHealthCheck(CLI::App& app, Arguments& to) {
  CLI::App* check = InPods(DefineCommand(
      app, to, "healthcheck", "Says by its exit code whether the sidecar is ready, for exec probes",
      kHealthCheckFooter, kOfText,
      [&to](const Context& context) { return HealthCheck(to.lifecycle.live, context); }));
  check->add_flag("--live", to.lifecycle.live, "An answer is enough, ready or not");
}

void DefineExec(CLI::App& app, Arguments& to) {
  CLI::App* exec = InPods(app.add_subcommand(
      "exec", "Starts a command beside a ready sidecar, and ends the sidecar with it"));
  exec->footer(kExecFooter);
  exec->add_option("command", to.exec.command, "The command and its arguments, behind --")
      ->type_name("-- COMMAND...");
  exec->add_option("--shutdown", to.lifecycle.exec_shutdown, "When the sidecar ends, too")
      ->check(OneOf({"always", "on-success", "never"}))
      ->type_name("always|on-success|never")
      ->capture_default_str();
  exec->callback([&app, &to] {
    to.local = Arguments::Local::kExec;
    to.formats = kOfText;
    to.longest_call = kCallLimit;
    to.exec.shutdown =
        std::ranges::find(kShutdowns, to.lifecycle.exec_shutdown, [](const auto& entry) {
          return entry.first;
        })->second;
    if (app.get_option("--timeout")->count() != 0) to.exec.limit = *ParseDuration(to.timeout);
  });
}

}  // namespace

void DefineLifecycleCommands(CLI::App& app, Arguments& to) {
  DefineWait(app, to);
  DefineShutdown(app, to);
  DefineHealthCheck(app, to);
  DefineExec(app, to);
}

std::vector<std::string> TakeExecCommand(std::vector<std::string>& arguments) {
  const auto mark = std::ranges::find(arguments, "--");
  if (mark == arguments.end() || std::find(arguments.begin(), mark, "exec") == mark) return {};
  std::vector<std::string> command(std::next(mark), arguments.end());
  arguments.erase(mark, arguments.end());
  return command;
}

}  // namespace remora::cli
