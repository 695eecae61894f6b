// What the mutants are made from: requests of our own, all valid, and those of the case table.
//
// Pure but for reading the file; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace remora::differential {

// Each is one valid request or several; each is answered by a server that serves everything.
std::vector<std::string> OwnSeeds();

// The `send` bytes of a case table (tests/http1/cases), as long as they are short enough to be
// played often. nullopt and a line on stderr if the file can't be read.
std::optional<std::vector<std::string>> SeedsFromCases(const std::string& path);

}  // namespace remora::differential
