// The command line of remorad. CLI11 is in the .cc only.
#pragma once

#include <variant>

#include "server/config/load.h"

namespace remora::server {

// The flags, or the exit code with which to end (help was printed: 0, wrong usage: 64).
std::variant<Flags, int> ParseFlags(int argc, const char* const* argv);

}  // namespace remora::server
