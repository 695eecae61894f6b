// The command line of `wait`, `shutdown`, `prestop`, `healthcheck` and `exec`.
//
// Threads: one.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/arguments.h"

namespace remora::cli {

void DefineLifecycleCommands(CLI::App& app, Arguments& to);

// Takes the command of `exec` out of the arguments: what stands behind `--`. It is not ours to
// read, and CLI11 would take "[a,b]" for two.
std::vector<std::string> TakeExecCommand(std::vector<std::string>& arguments);

}  // namespace remora::cli
