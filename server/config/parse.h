// From what was written (file, environment, flags) to a checked Config. Pure: text in, values or
// all problems out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/config.h"

namespace remora::server {

// A setting from outside the file. It is read by the same table as the file.
struct Override {
  std::string source;               // "--control" or "REMORA_CONTROL_ADDRESS", for messages
  std::string path;                 // "control.address", "listeners" or "servers"
  std::vector<std::string> values;  // one, but for the two lists
};

struct ConfigSources {
  bool demo = false;  // start from the demo's addresses
  std::optional<std::string> file_text;
  std::string file_name;
  std::vector<Override> overrides;  // later ones win
  // TERMINATION_GRACE_PERIOD_SECONDS: after so long a pod is killed. Shutdown fits into it.
  std::optional<std::string> grace = {};
};

// INVALID_ARGUMENT; the message has one line for each problem, "file:line:column: path: what".
absl::StatusOr<Config> BuildConfig(const ConfigSources& sources);

// A file alone.
absl::StatusOr<Config> ParseConfig(std::string_view text, std::string_view file_name);

// The settings that are one value and thus can come from the environment, as paths:
// "control.address" is REMORA_CONTROL_ADDRESS.
const std::vector<std::string_view>& ScalarPaths();

}  // namespace remora::server
