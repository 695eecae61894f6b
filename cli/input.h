// Files that commands read whole.
//
// Threads: one.
#pragma once

#include <expected>
#include <string>

#include "cli/failure.h"

namespace remora::cli {

// The text of the file. The error names it and says what is wrong.
std::expected<std::string, std::string> ReadFile(const std::string& file);

// The text of the file with this name, or of the standard input for "-".
Reply<std::string> ReadInput(const std::string& file);

// What places in it are named by: "servers.yaml", or "stdin".
std::string NameOfInput(const std::string& file);

}  // namespace remora::cli
