#include "cli/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <utility>

#include "cli/arguments.h"
#include "cli/arguments_lifecycle.h"
#include "cli/commands/config.h"
#include "cli/commands/inject.h"
#include "cli/commands/lookup.h"
#include "cli/completion.h"
#include "cli/context.h"
#include "cli/duration.h"
#include "cli/output/views.h"

namespace remora::cli {
namespace {

constexpr std::chrono::milliseconds kCompletionTimeout{500};

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

ExitCode Refuse(const Failure& failure, const Surroundings& surroundings) {
  // Without a message the exit code says it all.
  if (!failure.message.empty()) surroundings.err << FailureText(failure);
  return failure.exit;
}

// Connects and runs `work` with what commands need. The exit code that it returns, or that of its
// failure.
ExitCode WithSidecar(const Arguments& to, const Surroundings& surroundings,
                     const std::function<Reply<ExitCode>(const Context&)>& work) {
  auto client =
      surroundings.connect(to.global.server, std::min(to.global.timeout, to.longest_call));
  if (!client) return Refuse(client.error(), surroundings);
  const auto exit = work({.client = **client,
                          .options = to.global,
                          .clock = surroundings.clock,
                          .out = surroundings.out,
                          .err = surroundings.err});
  return exit ? *exit : Refuse(exit.error(), surroundings);
}

ExitCode RunCommand(const Arguments& to, const Surroundings& surroundings) {
  return WithSidecar(to, surroundings, [&to](const Context& context) -> Reply<ExitCode> {
    Outcome outcome = to.command(context);
    if (!outcome) return std::unexpected(std::move(outcome.error()));
    return ExitCode::kOk;
  });
}

// Any number may be the code of the command.
ExitCode RunExec(const Arguments& to, const Surroundings& surroundings) {
  const std::unique_ptr<Processes> processes = surroundings.processes();
  return WithSidecar(to, surroundings, [&](const Context& context) -> Reply<ExitCode> {
    const Reply<int> code = Exec(to.exec, context, *processes);
    if (!code) return std::unexpected(code.error());
    return static_cast<ExitCode>(*code);
  });
}

// What the shell asks for while somebody types: names, or nothing at all. Never an error, as it
// would end up in the middle of a line.
ExitCode AnswerCompletion(const std::vector<std::string>& words, const Surroundings& surroundings) {
  CLI::App app("", "remoractl");
  Arguments unused;
  DefineCommands(app, unused);
  const auto with_client = [&](auto&& ask) -> std::vector<std::string> {
    auto address = ValueOf("--server", words);
    if (!address) {
      if (auto chosen = DefaultAddress(surroundings.environment)) address = *std::move(chosen);
    }
    if (!address) return {};
    auto client = surroundings.connect(*address, kCompletionTimeout);
    return client ? ask(**client) : std::vector<std::string>();
  };
  const std::string pool = ValueOf("--pool", words).value_or("");
  const LiveNames live = {
      .servers = [&] { return with_client([&](ControlClient& c) { return ServerIds(c, pool); }); },
      .pools = [&] { return with_client(PoolNames); }};
  for (const std::string& word : Complete(app, words, live)) surroundings.out << word << '\n';
  return ExitCode::kOk;
}

std::string FormatProblem(const Arguments& to) {
  if (to.list.watch &&
      (to.global.output == OutputFormat::kJson || to.global.output == OutputFormat::kYaml)) {
    return "--watch has no end, so it can't be one document: -o table, wide, name or jsonl";
  }
  if (std::ranges::find(to.formats, to.global.output) != to.formats.end()) return {};
  std::string names;
  for (const OutputFormat format : to.formats) {
    names += (names.empty() ? "" : ", ") + FormatName(format);
  }
  return "this command has no -o " + to.output + "; it has: " + names;
}

ExitCode RunLocal(const Arguments& to, const ChosenAddress& address,
                  const Surroundings& surroundings) {
  switch (to.local) {
    case Arguments::Local::kCompletion:
      surroundings.out << *CompletionScript(to.shell);
      break;
    case Arguments::Local::kInject:
      if (auto done = Inject(to.inject, to.global, surroundings.out, surroundings.err); !done) {
        return Refuse(std::move(done.error()), surroundings);
      }
      break;
    case Arguments::Local::kConfig:
    case Arguments::Local::kExec:  // it and kNone have functions of their own
    case Arguments::Local::kNone:
      surroundings.out << ConfigText(to.global, address);
      break;
  }
  return ExitCode::kOk;
}

}  // namespace

ExitCode RunCommandLine(std::vector<std::string> arguments, const Surroundings& surroundings) {
  if (!arguments.empty() && arguments.front() == "__complete") {
    arguments.erase(arguments.begin());
    return AnswerCompletion(arguments, surroundings);
  }
  CLI::App app("remoractl controls a Remora sidecar: its servers and its health.", "remoractl");
  Arguments to;
  DefineCommands(app, to);
  std::vector<std::string> command = TakeExecCommand(arguments);
  if (const auto ended = Parse(app, std::move(arguments), surroundings)) return *ended;
  to.exec.command = std::move(command);
  if (!to.command && to.local == Arguments::Local::kNone) {
    return Refuse({.exit = ExitCode::kUsage,
                   .message = "no command: name one of servers list|get|add|remove|drain|undrain|"
                              "apply, health, status, top, wait, shutdown, prestop, healthcheck, "
                              "exec, inject, discover, config, completion and version",
                   .hint = "`remoractl --help` shows commands and options"},
                  surroundings);
  }
  to.global.output = *ParseFormat(to.output);
  to.global.timeout = *ParseDuration(to.timeout);
  to.global.colour = surroundings.terminal && !surroundings.no_colour;
  to.global.terminal = surroundings.terminal;
  if (std::string problem = FormatProblem(to); !problem.empty()) {
    return Refuse({.exit = ExitCode::kUsage,
                   .message = std::move(problem),
                   .hint = "`remoractl --help` shows commands and options"},
                  surroundings);
  }
  if (to.local == Arguments::Local::kExec && to.exec.command.empty()) {
    return Refuse({.exit = ExitCode::kUsage,
                   .message = "exec needs a command behind --",
                   .hint = "for example `remoractl exec -- /app/server --port 8080`"},
                  surroundings);
  }
  ChosenAddress chosen{to.global.server, "--server"};
  if (chosen.address.empty()) {
    auto address = ChooseAddress(surroundings.environment);
    const bool unused =
        to.local == Arguments::Local::kCompletion || to.local == Arguments::Local::kInject;
    if (!address && !unused) {
      return Refuse({.exit = ExitCode::kAuth,
                     .message = std::move(address.error()),
                     .hint = "if you trust it, name it with --server unix:/path or REMORA_SERVER"},
                    surroundings);
    }
    if (address) chosen = *std::move(address);
  }
  to.global.server = chosen.address;
  if (to.local == Arguments::Local::kNone) return RunCommand(to, surroundings);
  if (to.local == Arguments::Local::kExec) return RunExec(to, surroundings);
  return RunLocal(to, chosen, surroundings);
}

}  // namespace remora::cli
