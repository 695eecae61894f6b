// `remoractl inject`: reads a file, writes it with the sidecar in it. Calls nobody.
//
// Threads: one. Lifetime: nothing is kept after the return.
#pragma once

#include <ostream>
#include <string>

#include "cli/context.h"
#include "cli/failure.h"
#include "cli/inject/options.h"

namespace remora::cli {

struct InjectOptions {
  std::string file = {};        // "-": the standard input
  bool check = false;           // say what stands in the way, and write nothing
  bool remove = false;          // take the sidecar out
  std::string kubernetes = {};  // version of the cluster, "1.33"; empty: one that is new enough
  inject::SidecarOptions flags = {};  // each wins over its annotation
};

// The changed text goes to `out`, remarks to `err`. With `check` the findings go to `out`, and it
// fails with kFailure if there are any.
Outcome Inject(const InjectOptions& options, const GlobalOptions& global, std::ostream& out,
               std::ostream& err);

}  // namespace remora::cli
