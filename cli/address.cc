#include "cli/address.h"

#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

namespace remora::cli {
namespace {

std::optional<std::string> FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

bool IsPort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

}  // namespace

Environment Environment::OfThisProcess() {
  return {.remora_server = FromEnvironment("REMORA_SERVER"),
          .xdg_runtime_dir = FromEnvironment("XDG_RUNTIME_DIR"),
          .uid = ::getuid(),
          .exists = [](const std::string& path) {
            std::error_code ignored;  // a folder that can't be read counts as absent
            return std::filesystem::exists(path, ignored);
          }};
}

std::string DefaultAddress(const Environment& environment) {
  if (environment.remora_server) return *environment.remora_server;
  const std::string of_system = "/run/remora/control.sock";
  std::string of_user = "/tmp/remora-" + std::to_string(environment.uid) + "/control.sock";
  std::vector<std::string> candidates = {of_system};
  if (environment.xdg_runtime_dir) {
    candidates.push_back(*environment.xdg_runtime_dir + "/remora/control.sock");
  }
  candidates.push_back(std::move(of_user));
  for (const std::string& path : candidates) {
    if (environment.exists(path)) return "unix:" + path;
  }
  return "unix:" + (environment.uid == 0 ? of_system : candidates[1]);
}

std::optional<std::string> UnixPath(std::string_view address) {
  if (!address.starts_with("unix:")) return std::nullopt;
  address.remove_prefix(5);
  if (address.starts_with("//")) address.remove_prefix(2);
  return std::string(address);
}

std::expected<std::string, std::string> TargetFor(std::string_view address) {
  const auto wrong = [&] {
    return std::unexpected("'" + std::string(address) +
                           "' is not an address: write unix:/path or host:port");
  };
  if (const auto path = UnixPath(address)) {
    if (!path->starts_with('/')) return wrong();
    return "unix:" + *path;
  }
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || !IsPort(address.substr(colon + 1))) {
    return wrong();
  }
  const std::string_view host = address.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find_first_of(":[]") != std::string_view::npos) return wrong();
  if (host.find('/') != std::string_view::npos) return wrong();
  return "dns:///" + std::string(address);
}

}  // namespace remora::cli
