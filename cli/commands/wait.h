// Waiting for what a change leads to, by asking again and again: the API of this release has no
// stream of changes.
//
// Threads: one.
#pragma once

#include "cli/context.h"
#include "cli/failure.h"

namespace remora::cli {

// Until `server` is ACTIVE, at most the global timeout (kTimeout, with the state and its reason).
// Returns it as it is then. Removed meanwhile: kPrecondition.
Reply<v1::Server> WaitUntilActive(const v1::Server& server, const Context& context);

// Until nothing runs on `server` any more, at most `limit`. Returns it as it is then. Removed or
// opened again meanwhile: kPrecondition.
Reply<v1::Server> WaitUntilIdle(const v1::Server& server, std::chrono::milliseconds limit,
                                const Context& context);

// Until `server` is not listed any more, that is, its last request has ended; at most `limit`.
Outcome WaitUntilGone(const v1::Server& server, std::chrono::milliseconds limit,
                      const Context& context);

}  // namespace remora::cli
