// Who may ask the admin port for what. It has no passwords, so it rests on where a request comes
// from: programs and pages that run on this machine as someone who may, and not a web page of
// anybody that a browser on this machine happens to show. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/admin/http_server.h"

namespace remora::server {

enum class Access : std::uint8_t {
  kProbe,         // everybody who reaches the port: kubelet, Prometheus
  kRead,          // not a page that has made its own name point to us (DNS rebinding)
  kStream,        // kRead, and from no page but ours, as streams are few
  kChange,        // only where mutations are allowed, from this machine, from no page but ours
  kLegacyChange,  // kChange, from no page at all; bodies need no content type
};

struct Refusal {
  unsigned status = 403;
  std::string reason;   // "mutations_off"
  std::string message;  // what to do
};

std::optional<Refusal> CheckAccess(Access access, const HttpRequest& request, bool allow_mutations);

// An address, or localhost; with `port` unless that is 0 (80 where none is written).
bool IsOwnHost(std::string_view host, std::uint16_t port);

}  // namespace remora::server
