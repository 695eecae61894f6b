// The command line of remoractl as CLI11 knows it: every command, option, help text and example.
//
// Threads: one.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/inject.h"
#include "cli/context.h"

namespace remora::cli {

// All that the arguments say. CLI11 keeps references to the members: it stays where it is.
struct Arguments {
  Arguments() = default;
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  GlobalOptions global;
  ServersListOptions list;
  ServersGetOptions get;
  ServersAddOptions add;
  ServersRemoveOptions remove;
  ServersDrainOptions drain;
  ServersUndrainOptions undrain;
  ServersApplyOptions apply;
  TopOptions top;
  InjectOptions inject;
  std::vector<std::string> labels;
  std::string drain_timeout;
  std::string top_interval = "1s";
  std::string shell;
  std::string timeout = "5s";
  std::string output = "table";

  // What is to be done: a command that calls the sidecar, or one that does not.
  enum class Local { kNone, kConfig, kCompletion, kInject };
  std::function<Outcome(const Context&)> command;
  Local local = Local::kNone;
  // The formats that the command has.
  std::vector<OutputFormat> formats;
};

void DefineCommands(CLI::App& app, Arguments& to);
void DefineInject(CLI::App& app, Arguments& to);  // one of them

// "table" and its like; nullopt for another text.
std::optional<OutputFormat> ParseFormat(const std::string& text);
std::string FormatName(OutputFormat format);

}  // namespace remora::cli
