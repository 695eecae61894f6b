// Following the servers: one line or object for each change, until something fails.
//
// The API has no stream of changes yet (WatchServers): the registry's revision is asked for twice a
// second, which costs the sidecar next to nothing, and the list only when it has moved. So changes
// that follow each other closely come as one, and running requests, which move no revision, are no
// change.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/failure.h"

namespace remora::cli {

struct Change {
  enum class Kind : std::uint8_t { kAdded, kModified, kRemoved };
  Kind kind = Kind::kAdded;
  v1::Server server;
};

// By uid.
using KnownServers = std::map<std::string, v1::Server>;

// What differs between `known` and `now`: gone ones first, then the others in the order of `now`.
// Pure; `known` becomes `now`.
std::vector<Change> TakeChanges(KnownServers& known, const v1::ListServersResponse& now);

// Table, wide and name: the servers as a list, then a row for each change. JSON lines: an object
// {"type": "ADDED|MODIFIED|REMOVED", "server": {...}} each, those there are at first as ADDED.
Outcome WatchServers(const std::string& pool, const Context& context);

}  // namespace remora::cli
