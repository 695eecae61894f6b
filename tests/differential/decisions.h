// Where Remora refuses on purpose what the RFCs allow: proxy/README.md and the case table say why.
//
// Pure; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "tests/differential/reading.h"
#include "tests/differential/verdict.h"

namespace remora::differential {

struct Decision {
  std::string_view name;
  unsigned answer = 400;
  bool (*applies)(const Reading& reading, std::string_view bytes);
};

const std::vector<Decision>& Decisions();

// The name of the one for which these bytes were refused; empty if it was none.
std::string_view DecidedBy(const Reading& reading, std::string_view bytes, const Verdict& verdict);

}  // namespace remora::differential
