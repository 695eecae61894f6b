#include "cli/discovery/settings.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace remora::cli::discovery {
namespace {

bool IsIdCharacter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

bool IsId(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, IsIdCharacter);
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, [](char c) {
    return IsIdCharacter(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_';
  });
}

std::unexpected<std::string> Wrong(std::string_view text, const std::string& how) {
  return std::unexpected("'" + std::string(text) + "' " + how);
}

std::unexpected<Failure> Usage(std::string message, std::string hint = {}) {
  if (hint.empty()) hint = "`remoractl discover --help` shows the options";
  return std::unexpected(
      Failure{.exit = ExitCode::kUsage, .message = std::move(message), .hint = std::move(hint)});
}

Outcome CheckKubernetes(const DiscoverOptions& options) {
  if (options.services.empty()) return Usage("--source kubernetes needs --service NS/NAME[:PORT]");
  for (const std::string& text : options.services) {
    if (const auto service = ParseService(text); !service) return Usage(service.error());
  }
  if (options.prefer_zone && options.zone.empty()) {
    return Usage("--prefer-zone needs --zone: the zone that this sidecar is in");
  }
  return {};
}

Outcome CheckDns(const DiscoverOptions& options) {
  if (options.hosts.empty() && options.records.empty()) {
    return Usage("--source dns needs --host NAME:PORT or --srv NAME");
  }
  for (const std::string& text : options.hosts) {
    if (const auto host = ParseHostPort(text); !host) return Usage(host.error());
  }
  for (const std::string& text : options.records) {
    if (!IsName(text)) return Usage("'" + text + "' is not a name for --srv: _http._tcp.example");
  }
  if (!options.dns_server.empty()) {
    if (const auto at = ParseHostPort(options.dns_server); !at) return Usage(at.error());
  }
  return {};
}

// The options that belong to another source than the one that is used.
std::string Misplaced(const DiscoverOptions& options) {
  const bool kubernetes = options.source == "kubernetes";
  const bool dns = options.source == "dns";
  if (!kubernetes && !options.services.empty()) return "--service";
  if (!kubernetes && (options.prefer_zone || !options.zone.empty())) return "--zone";
  if (!dns && !options.hosts.empty()) return "--host";
  if (!dns && !options.records.empty()) return "--srv";
  if (!dns && !options.dns_server.empty()) return "--dns-server";
  if (options.source != "file" && !options.file.empty()) return "--file";
  return {};
}

}  // namespace

std::expected<ServiceName, std::string> ParseService(std::string_view text) {
  const std::string how = "is not a service: write namespace/name or namespace/name:port";
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return Wrong(text, how);
  const std::string_view rest = text.substr(slash + 1);
  const std::size_t colon = std::min(rest.find(':'), rest.size());
  ServiceName service{.name_space = std::string(text.substr(0, slash)),
                      .name = std::string(rest.substr(0, colon))};
  if (colon < rest.size()) {
    service.port = std::string(rest.substr(colon + 1));
    if (!IsId(service.port)) return Wrong(text, how);
  }
  if (!IsId(service.name_space) || !IsId(service.name)) return Wrong(text, how);
  return service;
}

std::expected<HostPort, std::string> ParseHostPort(std::string_view text) {
  const std::string how = "is not an address: write name:port, or [v6]:port";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Wrong(text, how);
  HostPort parsed{.host = std::string(text.substr(0, colon))};
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (error != std::errc() || end != port.data() + port.size() || parsed.port == 0) {
    return Wrong(text, how);
  }
  if (parsed.host.starts_with('[') && parsed.host.ends_with(']')) {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  } else if (!IsName(parsed.host)) {
    return Wrong(text, how);
  }
  return parsed;
}

Outcome CheckOptions(const DiscoverOptions& options) {
  if (const std::string flag = Misplaced(options); !flag.empty()) {
    return Usage(flag + " does not go with --source " + options.source);
  }
  if (options.scheme != "http" && options.scheme != "https") {
    return Usage("'" + options.scheme + "' is not a scheme: http and https are");
  }
  if (!options.path_prefix.empty() && !options.path_prefix.starts_with('/')) {
    return Usage("--path-prefix begins with a slash, as in /api");
  }
  if (const std::string name = NameOf(options); !IsId(name)) {
    return Usage("'" + name + "' is not a name for the owner of the servers",
                 "give one with --name: lower-case letters, digits and '-', at most 63");
  }
  if (options.source == "kubernetes") return CheckKubernetes(options);
  if (options.source == "dns") return CheckDns(options);
  if (options.file.empty()) return Usage("--source file needs --file");
  return {};
}

std::string NameOf(const DiscoverOptions& options) {
  if (!options.name.empty()) return options.name;
  if (!options.pool.empty()) return options.pool;
  if (!options.services.empty()) {
    if (const auto service = ParseService(options.services.front())) return service->name;
  }
  return options.source;
}

}  // namespace remora::cli::discovery
