// Where the control API is: how the address is written, and which one is taken when none is given.
// Pure; what is read from the machine comes in through Environment.
#pragma once

#include <sys/types.h>

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace remora::cli {

// What the choice depends on.
struct Environment {
  std::optional<std::string> remora_server;    // REMORA_SERVER
  std::optional<std::string> xdg_runtime_dir;  // XDG_RUNTIME_DIR
  uid_t uid = 0;
  std::function<bool(const std::string& path)> exists;

  static Environment OfThisProcess();
};

// REMORA_SERVER if set; else the first socket that exists of /run/remora/control.sock,
// $XDG_RUNTIME_DIR/remora/control.sock and /tmp/remora-<uid>/control.sock; where none exists, the
// one that a remorad of this user would make, so that the error names a useful path.
std::string DefaultAddress(const Environment& environment);

// Checks `unix:/path` or `host:port` (also `[v6]:port`) and returns it as a target for gRPC. The
// error says how to write it.
std::expected<std::string, std::string> TargetFor(std::string_view address);

// The path of `unix:/path`, nullopt for TCP.
std::optional<std::string> UnixPath(std::string_view address);

}  // namespace remora::cli
