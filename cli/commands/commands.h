// The commands of remoractl, one function each: calls the API, writes data to `context.out` and
// remarks to `context.err`. Errors are returned, not printed.
//
// Threads: one. Lifetime: nothing is kept after the return.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cli/context.h"
#include "cli/failure.h"

namespace remora::cli {

struct ServersListOptions {
  std::string pool = {};  // empty: all
  bool watch = false;     // go on with each change, for ever
};
Outcome ServersList(const ServersListOptions& options, const Context& context);

struct ServersGetOptions {
  std::string server = {};  // an id, or a url when it has a ':' or '/'
  std::string pool = {};    // empty: "default" for an id, any for a url
};
Outcome ServersGet(const ServersGetOptions& options, const Context& context);

struct ServersAddOptions {
  std::string url = {};
  std::string pool = {};
  std::string id = {};
  std::uint32_t weight = 0;      // 0: the server's default
  std::uint32_t max_active = 0;  // 0: no limit
  std::map<std::string, std::string> labels = {};
  bool wait = false;  // until it takes traffic, at most the global timeout
};
Outcome ServersAdd(const ServersAddOptions& options, const Context& context);

struct ServersRemoveOptions {
  std::string server = {};  // as in ServersGetOptions
  std::string pool = {};
  std::optional<std::chrono::milliseconds> drain_timeout = {};  // unset: the server's default
  bool allow_missing = false;
  bool wait = false;  // until its last request has ended; then nothing but remarks is shown
};
Outcome ServersRemove(const ServersRemoveOptions& options, const Context& context);

struct ServersDrainOptions {
  std::string server = {};  // as in ServersGetOptions
  std::string pool = {};
  std::optional<std::chrono::milliseconds> drain_timeout = {};  // unset: the server's default
  bool wait = false;                                            // until its last request has ended
};
Outcome ServersDrain(const ServersDrainOptions& options, const Context& context);

struct ServersUndrainOptions {
  std::string server = {};  // as in ServersGetOptions
  std::string pool = {};
};
Outcome ServersUndrain(const ServersUndrainOptions& options, const Context& context);

struct ServersApplyOptions {
  std::string file = {};  // "-": the standard input
  bool dry_run = false;   // show the differences only
  bool prune = false;     // remove what `api` owns and the file does not name
};
Outcome ServersApply(const ServersApplyOptions& options, const Context& context);

// Readiness, pools and the servers that take no traffic, on one screen. Succeeds also where the
// sidecar is not ready: for people; probes use Health.
Outcome Status(const Context& context);

struct TopOptions {
  std::string pool = {};  // empty: all
  std::chrono::milliseconds interval{1000};
};
// Draws the servers on the terminal until somebody leaves; kUsage where the output is none.
Outcome Top(const TopOptions& options, const Context& context);

// Fails with kFailure, after its output, when the sidecar is not ready: usable as a probe.
Outcome Health(const Context& context);

// The client's version and, where one answers, the server's; succeeds without a server.
Outcome Version(const Context& context);

}  // namespace remora::cli
