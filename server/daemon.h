// remorad: builds every object in the order of dependence, runs them, and ends them in the reverse
// order. Nothing else knows the whole.
//
// Threads: the calling thread becomes the control thread. At most one daemon a process.
#pragma once

#include "server/config/config.h"
#include "server/reload.h"

namespace remora::server {

// The whole program; returns the exit code (exit_codes.h).
int Main(int argc, const char* const* argv);

// Serves until a signal ends it. `load` reads the configuration again.
int RunDaemon(Config config, Reloader::Load load);

}  // namespace remora::server
