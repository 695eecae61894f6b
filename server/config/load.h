// The Config of this process: finds the file, reads the environment, resolves what depends on the
// machine. The impure shell around parse.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/config.h"
#include "server/config/parse.h"

namespace remora::server {

// What the command line asks for.
struct Flags {
  std::optional<std::string> config_file;
  std::vector<Override> overrides;
  bool demo = false;
  bool validate = false;
  bool print_config = false;
  bool print_schema = false;
  bool version = false;
};

// nullptr where the variable is not set.
using GetEnv = std::function<const char*(const char*)>;

// The settings in the environment; empty values count as not set. Unknown REMORA_* variables are
// left alone: Kubernetes makes some for every service (REMORA_SERVICE_HOST). Pure but for
// `get_env`.
std::vector<Override> ReadEnvironment(const GetEnv& get_env);

// Flags > environment > file > defaults. The file: --config, else REMORA_CONFIG, else
// ./config.yaml, else /etc/remora/config.yaml, else none; with --demo only the first two.
// Only a file that is not there is passed over; one that can't be read is an error.
// INVALID_ARGUMENT with a line for each problem.
absl::StatusOr<Config> LoadConfig(const Flags& flags, const GetEnv& get_env);

}  // namespace remora::server
