// The text of --help: what CLI11 knows of a command, on one screen, with examples. Pure.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace remora::cli {

// Description, usage, commands, options and the footer (examples); at most 24 lines of at most 100
// columns for every command, which a test checks.
std::string HelpText(const CLI::App& app);

}  // namespace remora::cli
