// Where the control API is: how the address is written, and which one is taken when none is given.
// Pure, but for LookAtSocket; what is read from the machine comes in through Environment.
#pragma once

#include <sys/types.h>

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace remora::cli {

enum class SocketOwner {
  kNobody,  // nothing is there
  // Made by us or root in a directory that only we or root can change, or by the user to whom root
  // gave the directory (/run/remora of the Debian package, whose service has a user of its own).
  kTrusted,
  kOther  // another user made it, or could have
};

// Judges the socket at `path` for a caller with this uid. A user who can put a socket where we look
// could make us believe anything about the sidecar, and learn what we ask of it.
SocketOwner LookAtSocket(const std::string& path, uid_t uid);

// What the choice depends on.
struct Environment {
  std::optional<std::string> remora_server;    // REMORA_SERVER
  std::optional<std::string> xdg_runtime_dir;  // XDG_RUNTIME_DIR
  uid_t uid = 0;
  std::function<SocketOwner(const std::string& path)> look;

  static Environment OfThisProcess();
};

struct ChosenAddress {
  std::string address;
  std::string from;  // for people: where it comes from
};

// REMORA_SERVER if set; else the first trusted socket of $XDG_RUNTIME_DIR/remora/control.sock,
// /tmp/remora-<uid>/control.sock and /run/remora/control.sock; root looks at the last one only.
// Where none is there, the one that a remorad of this user would make, so that the error names a
// useful path. An error where all that is there is not trusted.
std::expected<ChosenAddress, std::string> ChooseAddress(const Environment& environment);
// Its address alone.
std::expected<std::string, std::string> DefaultAddress(const Environment& environment);

// Checks `unix:/path` or `host:port` (also `[v6]:port`) and returns it as a target for gRPC. The
// error says how to write it.
std::expected<std::string, std::string> TargetFor(std::string_view address);

// The path of `unix:/path`, nullopt for TCP.
std::optional<std::string> UnixPath(std::string_view address);

}  // namespace remora::cli
