// The command line of remoractl as CLI11 knows it: every command, option, help text and example.
//
// Threads: one.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/commands/inject.h"
#include "cli/commands/lifecycle.h"
#include "cli/context.h"
#include "cli/discovery/discover.h"
#include "cli/exec/exec.h"

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
  ExecOptions exec;
  // Of `wait`, `shutdown`, `prestop`, `healthcheck` and `exec`, as they were written.
  struct {
    std::string wait_for = "ready";
    std::string scope = "all";
    std::string exec_shutdown = "always";
    bool wait = false;
    bool live = false;
  } lifecycle;
  InjectOptions inject;
  DiscoverOptions discover;
  std::vector<std::string> labels;
  std::string drain_timeout;
  std::string top_interval = "1s";
  std::string shell;
  std::string timeout = "5s";
  std::string output = "table";

  // What is to be done: a command that calls the sidecar, or one that does not.
  enum class Local { kNone, kConfig, kCompletion, kExec, kInject };
  std::function<Outcome(const Context&)> command;
  Local local = Local::kNone;
  // The formats that the command has.
  std::vector<OutputFormat> formats;
  // A call of it takes no longer, even where --timeout is.
  std::chrono::milliseconds longest_call = std::chrono::milliseconds::max();
};

void DefineCommands(CLI::App& app, Arguments& to);
void DefineInject(CLI::App& app, Arguments& to);    // one of them
void DefineDiscover(CLI::App& app, Arguments& to);  // one of them

// ---- for the files that define commands ----

inline const std::vector<OutputFormat> kOfDocuments = {OutputFormat::kTable, OutputFormat::kJson,
                                                       OutputFormat::kYaml};
inline const std::vector<OutputFormat> kOfText = {OutputFormat::kTable};

// Commands of a group share a line of the first help page, which ends with the group's name.
inline constexpr const char* kGroupOfPods = "for pods";

// Checks for CLI11: what they return is the error.
std::string CheckDuration(const std::string& text);
std::string CheckInterval(const std::string& text);  // 100 ms at least

// Checks that the text is one of `names`.
CLI::Validator OneOf(std::vector<std::string> names);

// One command: what it runs, which formats it has (kept by reference), and the end of its help.
CLI::App* DefineCommand(CLI::App& parent, Arguments& to, const std::string& name,
                        const std::string& description, const char* footer,
                        const std::vector<OutputFormat>& formats,
                        std::function<Outcome(const Context&)> command);

// "table" and its like; nullopt for another text.
std::optional<OutputFormat> ParseFormat(const std::string& text);
std::string FormatName(OutputFormat format);

}  // namespace remora::cli
