// What `apply` has to do: the differences between the file and the sidecar. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cli/apply/wanted.h"
#include "cli/failure.h"
#include "remora/v1/control.pb.h"

namespace remora::cli {

struct Step {
  enum class Kind : std::uint8_t {
    kAdd,
    kUpdate,   // in place
    kReplace,  // another url: removed and added again
    kRemove,
  };
  Kind kind = Kind::kAdd;
  std::string pool;
  std::string id;       // empty for one whose id the server makes
  v1::ServerSpec spec;  // as it should be
  std::string text;     // for people: "default/a: weight 1 -> 2"
};

struct Plan {
  std::vector<Step> steps;  // removals first, so that ids and room are free
  std::size_t unchanged = 0;
};

// An entry with an id means the server of that id; one without means the one with its url. Removals
// only with `prune`, and only of what `api` owns. An entry that differs from a server which
// somebody else owns (the configuration of remorad) is kPrecondition; all such entries are named.
Reply<Plan> MakePlan(std::span<const WantedServer> wanted, std::span<const v1::Server> present,
                     bool prune);

// What an answer of ReplaceServers says it changes, in its order.
Plan PlanOf(const v1::ReplaceServersResponse& answer);

}  // namespace remora::cli
