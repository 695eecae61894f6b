#include "cli/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <utility>

#include "cli/arguments.h"
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

ExitCode Refuse(Failure failure, const Surroundings& surroundings) {
  surroundings.err << FailureText(failure);
  return failure.exit;
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
  if (const auto ended = Parse(app, std::move(arguments), surroundings)) return *ended;
  if (!to.command && to.local == Arguments::Local::kNone) {
    return Refuse({.exit = ExitCode::kUsage,
                   .message = "no command: name one of servers list|get|add|remove|drain|undrain|"
                              "apply, health, status, top, inject, config, completion and version",
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
  ChosenAddress chosen{to.global.server, "--server"};
  if (chosen.address.empty()) {
    auto address = ChooseAddress(surroundings.environment);
    const bool matters =
        to.local == Arguments::Local::kNone || to.local == Arguments::Local::kConfig;
    if (!address && matters) {
      return Refuse({.exit = ExitCode::kAuth,
                     .message = std::move(address.error()),
                     .hint = "if you trust it, name it with --server unix:/path or REMORA_SERVER"},
                    surroundings);
    }
    if (address) chosen = *std::move(address);
  }
  to.global.server = chosen.address;
  return to.local == Arguments::Local::kNone ? RunCommand(to, surroundings)
                                             : RunLocal(to, chosen, surroundings);
}

}  // namespace remora::cli
