// The command line of remoractl: reads the arguments, runs one command, turns its outcome into
// output and an exit code.
//
// Threads: one. Lifetime: nothing is kept after the return.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "cli/address.h"
#include "cli/clock.h"
#include "cli/control_client.h"
#include "cli/exec/processes.h"
#include "cli/exit_code.h"

namespace remora::cli {

// What the command line touches besides its arguments.
struct Surroundings {
  Environment environment;
  std::function<Reply<std::unique_ptr<ControlClient>>(const std::string& address,
                                                      std::chrono::milliseconds timeout)>
      connect;
  Clock& clock;
  std::ostream& out;
  std::ostream& err;
  bool terminal = false;   // `out` is one, and not a dumb one
  bool no_colour = false;  // NO_COLOR
  // Called for `exec` alone, before anything is connected.
  std::function<std::unique_ptr<Processes>()> processes = {};
};

// `arguments` are without the name of the program.
ExitCode RunCommandLine(std::vector<std::string> arguments, const Surroundings& surroundings);

}  // namespace remora::cli
