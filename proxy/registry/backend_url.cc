#include "proxy/registry/backend_url.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proxy/base/abseil.h"
#include "proxy/base/socket_address.h"

namespace remora::proxy {
namespace {

constexpr std::size_t kMaxHostLength = 253;
constexpr std::size_t kMaxUnixPath = 107;  // sockaddr_un
constexpr std::size_t kMaxPrefix = 1024;
constexpr std::size_t kMaxId = 63;

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrFormat("%s in '%s'; write http://host:port[/prefix], host:port or unix:/path", why,
                      absl::CHexEscape(ToAbsl(text.substr(0, 200)))));
}

bool ValidHostName(std::string_view host) {
  if (host.empty() || host.size() > kMaxHostLength || host.front() == '.' || host.front() == '-') {
    return false;
  }
  return std::ranges::all_of(host, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
  });
}

// Whatever else is in brackets would be looked up as a name later.
bool ValidV6(std::string_view host) {
  const auto address = SocketAddress::FromIp(host, 1);
  return address && address->family() == AF_INET6;
}

bool ParsePort(std::string_view text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

bool ValidPathByte(char c) { return c > 0x20 && c < 0x7f && c != '?' && c != '#'; }

absl::StatusOr<BackendUrl> ParseUnix(std::string_view text, std::string_view path) {
  if (path.empty() || path.front() != '/') return Bad(text, "a unix socket needs an absolute path");
  if (path.size() > kMaxUnixPath) return Bad(text, "the socket path is longer than 107 bytes");
  if (!std::ranges::all_of(path, [](char c) { return c > 0x20 && c < 0x7f; })) {
    return Bad(text, "the socket path has a blank or unprintable byte");
  }
  BackendUrl url;
  url.unix_path = std::string(path);
  return url;
}

// Splits "host[:port]" or "[v6][:port]"; `default_port` 0 means that the port is needed.
absl::Status ParseAuthority(std::string_view text, std::string_view authority,
                            std::uint16_t default_port, BackendUrl& url) {
  if (authority.find('@') != std::string_view::npos) return Bad(text, "user information");
  std::string_view host = authority;
  std::string_view port;
  bool has_port = false;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return Bad(text, "a '[' without ']'");
    host = authority.substr(1, close - 1);
    const std::string_view rest = authority.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return Bad(text, "text after ']'");
    has_port = !rest.empty();
    port = has_port ? rest.substr(1) : rest;
    if (!ValidV6(host)) return Bad(text, "a bad IPv6 address");
  } else {
    const std::size_t colon = authority.rfind(':');
    has_port = colon != std::string_view::npos;
    if (has_port) {
      host = authority.substr(0, colon);
      port = authority.substr(colon + 1);
    }
    if (!ValidHostName(host)) return Bad(text, "a bad host");
  }
  if (!has_port && default_port == 0) return Bad(text, "no port");
  url.port = default_port;
  if (has_port && !ParsePort(port, url.port)) return Bad(text, "a bad port (1 to 65535)");
  url.host = absl::AsciiStrToLower(ToAbsl(host));
  return absl::OkStatus();
}

}  // namespace

std::string BackendUrl::Authority() const {
  if (is_unix()) return "localhost";
  if (host.find(':') != std::string::npos) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

std::string BackendUrl::ToString() const {
  if (is_unix()) return "unix:" + unix_path;
  return "http://" + Authority() + prefix;
}

absl::StatusOr<BackendUrl> ParseBackendUrl(std::string_view text) {
  if (text.empty()) return Bad(text, "nothing");
  if (text.starts_with("unix:")) return ParseUnix(text, text.substr(5));
  BackendUrl url;
  std::string_view rest = text;
  std::uint16_t default_port = 0;
  if (const std::size_t scheme_end = text.find("://"); scheme_end != std::string_view::npos) {
    const std::string scheme = absl::AsciiStrToLower(ToAbsl(text.substr(0, scheme_end)));
    if (scheme == "https") return Bad(text, "https needs TLS, not built yet");
    if (scheme != "http") return Bad(text, "an unknown scheme");
    rest = text.substr(scheme_end + 3);
    default_port = 80;
  }
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    std::string_view prefix = rest.substr(slash);
    rest = rest.substr(0, slash);
    if (!std::ranges::all_of(prefix, ValidPathByte)) {
      return Bad(text, "a blank, '?', '#' or unprintable byte in the prefix");
    }
    if (prefix.size() > kMaxPrefix) return Bad(text, "a prefix longer than 1024 bytes");
    while (prefix.ends_with('/')) prefix.remove_suffix(1);
    url.prefix = std::string(prefix);
  }
  if (absl::Status status = ParseAuthority(text, rest, default_port, url); !status.ok()) {
    return status;
  }
  return url;
}

std::string DeriveId(const BackendUrl& url) {
  const std::string source =
      url.is_unix() ? "unix" + url.unix_path : absl::StrCat(url.host, "-", url.port, url.prefix);
  std::string id;
  for (const char c : source) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      id += absl::ascii_tolower(static_cast<unsigned char>(c));
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
  }
  while (id.ends_with('-')) id.pop_back();
  // Where folding lost more than '.' to '-' (which an id should not show) or the length is cut, a
  // hash (FNV-1a) keeps ids apart. "a.b:80" and "a-b:80" share an id: the second to be added is
  // told so and can bring its own.
  const bool exact = std::ranges::all_of(source, [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.' || c == '-';
  });
  if (exact && id.size() <= kMaxId) return id;
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : source) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  id.resize(std::min<std::size_t>(id.size(), kMaxId - 9));
  while (id.ends_with('-')) id.pop_back();
  return absl::StrFormat("%s-%08x", id, static_cast<std::uint32_t>(hash ^ (hash >> 32)));
}

bool ValidId(std::string_view id) {
  if (id.empty() || id.size() > kMaxId || id.front() == '-' || id.back() == '-') return false;
  return std::ranges::all_of(id, [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
  });
}

}  // namespace remora::proxy
