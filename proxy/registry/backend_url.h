// The address of a backend as people write it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace remora::proxy {

struct BackendUrl {
  std::string host;        // a name, or an address without brackets; empty for a unix socket
  std::uint16_t port = 0;  // 0 for a unix socket
  std::string unix_path;   // absolute; empty for TCP
  std::string prefix;      // "" or "/a/b", never with a slash at its end

  bool is_unix() const { return !unix_path.empty(); }
  // "host:port", "[v6]:port", or "localhost" for a unix socket: what goes into Host.
  std::string Authority() const;
  // The canonical spelling: "http://host:port/prefix" or "unix:/path".
  std::string ToString() const;

  friend bool operator==(const BackendUrl&, const BackendUrl&) = default;
};

// Accepts `http://host[:port][/prefix]`, `host:port` and `unix:/path`. Hosts are folded to lower
// case. Errors are INVALID_ARGUMENT and say what is allowed; `https` is refused until TLS is built.
absl::StatusOr<BackendUrl> ParseBackendUrl(std::string_view text);

// An id made from the address: "127-0-0-1-9001"; always matches ValidId.
std::string DeriveId(const BackendUrl& url);

// `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
bool ValidId(std::string_view id);

}  // namespace remora::proxy
