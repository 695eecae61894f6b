// Runs a command beside the sidecar, for pods without native sidecars and for plain containers: it
// starts once the sidecar is ready, and its end is the sidecar's.
//
// Threads: one. Lifetime: nothing is kept after the return.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/exec/processes.h"
#include "cli/failure.h"

namespace remora::cli {

struct ExecOptions {
  std::vector<std::string> command = {};
  std::chrono::milliseconds limit{60'000};  // for the sidecar to get ready
  // After which end of the command the sidecar is told to end. Where a pod starts a failed command
  // again but no sidecar that ended well (restartPolicy: OnFailure), after success only.
  enum class Shutdown { kAlways, kOnSuccess, kNever };
  Shutdown shutdown = Shutdown::kAlways;
};

// The exit code of the command, or 128 and the signal that ended the wait for the sidecar. Errors:
// the sidecar did not get ready (kTimeout), the command can't be started.
Reply<int> Exec(const ExecOptions& options, const Context& context, Processes& processes);

}  // namespace remora::cli
