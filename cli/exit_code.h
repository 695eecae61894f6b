// The exit codes of remoractl: stable, so that scripts may branch on them. `--help` prints this
// table; values only.
#pragma once

#include <grpcpp/support/status.h>

namespace remora::cli {

enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,        // anything without a code of its own; `health`: the sidecar is not ready
  kUsage = 2,          // wrong arguments, found here or by the server
  kNotFound = 3,       // no such server or pool
  kPrecondition = 4,   // already there with another content, or several servers match
  kAuth = 5,           // not permitted, for example by the mode of the socket
  kUnavailable = 69,   // nothing answers at the address
  kTimeout = 124,      // --timeout has passed
  kCannotRun = 126,    // `exec`: the command can't be started
  kNoCommand = 127,    // `exec`: there is no such command
  kInterrupted = 130,  // SIGINT, as the shell reports it
};

// Total over the codes of gRPC; a code that is not known is kFailure.
ExitCode ExitCodeFor(grpc::StatusCode code);

}  // namespace remora::cli
