// Was what a proxy did with a mutant right? The oracle's reading of the client's bytes against what
// arrived at the backend.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/differential/reading.h"
#include "tests/differential/route.h"

namespace remora::differential {

enum class Kind {
  kLetThrough,  // something arrived that the client did not validly send
  kWell,        // every message that had to be served arrived, and nothing else
  kShort        // fewer arrived: the rest was refused, or given up
};

struct Verdict {
  Kind kind = Kind::kShort;
  std::string why;                    // kLetThrough
  bool malformed_at_backend = false;  // whatever the client sent
  std::size_t arrived = 0;            // complete requests
  std::vector<unsigned> statuses;     // of the final answers
  std::string end;                    // how the client's connection ended
  std::string answers_problem;        // malformed answers, or more than requests
  std::string foreign_field;          // at the backend, and neither the client's nor a proxy's own
};

// How a proxy may write a target anew.
enum class TargetRule {
  kExact,       // the absolute form becomes a path, nothing else changes
  kNormalised,  // as well: percent-encoding, dot segments, double slashes, fragments
};

Verdict Judge(const Reading& reading, const Play& play, TargetRule rule);

}  // namespace remora::differential
