#include "server/admin/guard.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proxy/base/abseil.h"
#include "proxy/base/socket_address.h"
#include "server/admin/json.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

constexpr std::uint16_t kHttpPort = 80;

struct HostParts {
  std::string_view name;  // without brackets
  std::uint16_t port = kHttpPort;
};

std::optional<HostParts> SplitHost(std::string_view host) {
  HostParts parts;
  std::string_view rest;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    parts.name = host.substr(1, end - 1);
    rest = host.substr(end + 1);
    if (parts.name.find(':') == std::string_view::npos) return std::nullopt;
  } else {
    const std::size_t end = std::min(host.find(':'), host.size());
    parts.name = host.substr(0, end);
    rest = host.substr(end);
  }
  if (rest.empty()) return parts;
  const auto port = rest.front() == ':' ? ParseNumber(rest.substr(1)) : std::nullopt;
  if (!port || *port == 0 || *port > UINT16_MAX) return std::nullopt;
  parts.port = static_cast<std::uint16_t>(*port);
  return parts;
}

// Empty: an old browser, or no browser.
bool IsFromOwnPage(std::string_view sec_fetch_site) {
  return sec_fetch_site.empty() || sec_fetch_site == "same-origin" || sec_fetch_site == "none";
}

bool IsJson(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(ToAbsl(type)), kJsonContentType);
}

bool LooksLikeJson(std::string_view body) {
  const std::size_t first = body.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (body[first] == '{' || body[first] == '[');
}

Refusal HostRefused(std::uint16_t port) {
  return {.reason = "host_not_allowed",
          .message = absl::StrCat("the request is addressed to a name that is not this server's "
                                  "own; use its address: http://127.0.0.1:",
                                  port)};
}

Refusal PageRefused() {
  return {.reason = "cross_site",
          .message =
              "a page of another site asks for this; open the dashboard of this server, or "
              "use a program"};
}

std::optional<Refusal> CheckChange(const HttpRequest& request, bool allow_mutations) {
  if (!allow_mutations) {
    return Refusal{.reason = "mutations_off",
                   .message =
                       "changes over HTTP are off; set admin.allow_mutations: true, or use "
                       "remoractl"};
  }
  if (!request.peer_is_loopback) {
    return Refusal{.reason = "peer_not_local",
                   .message = "changes over HTTP are taken from this machine only; use remoractl"};
  }
  if (!IsOwnHost(request.host, request.local_port)) return HostRefused(request.local_port);
  if (!IsFromOwnPage(request.sec_fetch_site)) return PageRefused();
  return std::nullopt;
}

}  // namespace

bool IsOwnHost(std::string_view host, std::uint16_t port) {
  const std::optional<HostParts> parts = SplitHost(host);
  if (!parts || (port != 0 && parts->port != port)) return false;
  return absl::EqualsIgnoreCase(ToAbsl(parts->name), "localhost") ||
         proxy::SocketAddress::FromIp(parts->name, parts->port).has_value();
}

std::optional<Refusal> CheckAccess(Access access, const HttpRequest& request,
                                   bool allow_mutations) {
  switch (access) {
    case Access::kProbe:
      return std::nullopt;
    case Access::kStream:
      if (!IsFromOwnPage(request.sec_fetch_site)) return PageRefused();
      [[fallthrough]];
    case Access::kRead:
      // Only a browser on this machine can be led to us by a name of somebody else's. From afar we
      // may well have a name; behind a forwarded port another port.
      if (request.peer_is_loopback && !request.host.empty() && !IsOwnHost(request.host, 0)) {
        return HostRefused(request.local_port);
      }
      return std::nullopt;
    case Access::kChange: {
      if (auto refusal = CheckChange(request, allow_mutations)) return refusal;
      const std::string own = absl::StrCat("http://", ToAbsl(request.host));
      if (!request.origin.empty() && request.origin != own) return PageRefused();
      if (LooksLikeJson(request.body) && !IsJson(request.content_type)) {
        return Refusal{.status = 415,
                       .reason = "content_type",
                       .message = "send JSON with Content-Type: application/json"};
      }
      return std::nullopt;
    }
    case Access::kLegacyChange:
      if (auto refusal = CheckChange(request, allow_mutations)) return refusal;
      if (!request.origin.empty()) return PageRefused();
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace remora::server
