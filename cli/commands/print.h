// Servers to `context.out` in the format that was asked for.
#pragma once

#include <span>

#include "cli/context.h"

namespace remora::cli {

// A table, whatever the format.
void PrintServers(std::span<const v1::Server> servers, const Context& context);

// One server: a table of one row, or its message as JSON.
void PrintServer(const v1::Server& server, const Context& context);

}  // namespace remora::cli
