#include "cli/address.h"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>
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

// The sockets that are looked for, the likeliest to be meant first. A remorad of root is never in a
// directory that others can make.
std::vector<std::string> Candidates(const Environment& environment) {
  std::vector<std::string> candidates;
  if (environment.uid != 0) {
    const auto& xdg = environment.xdg_runtime_dir;
    if (xdg && xdg->starts_with('/')) candidates.push_back(*xdg + "/remora/control.sock");
    candidates.push_back("/tmp/remora-" + std::to_string(environment.uid) + "/control.sock");
  }
  candidates.push_back("/run/remora/control.sock");
  return candidates;
}

bool OwnedBy(const struct stat& info, uid_t uid) { return info.st_uid == uid || info.st_uid == 0; }

bool OthersMayReplace(const struct stat& directory) {
  return (directory.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (directory.st_mode & S_ISVTX) == 0;
}

// Whether only root can have made this directory, wherever its owner comes from: then root has
// given it to that user, as systemd does with the RuntimeDirectory of a service. `directory` has no
// links.
bool MadeByRoot(const std::string& directory) {
  std::string above = directory.substr(0, directory.rfind('/'));
  for (bool parent = true;; parent = false) {
    struct stat info{};
    if (::stat(above.empty() ? "/" : above.c_str(), &info) != 0 || info.st_uid != 0) return false;
    const bool others_write = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    if (parent ? others_write : OthersMayReplace(info)) return false;
    if (above.empty()) return true;
    above.resize(above.rfind('/'));
  }
}

bool GivenByRoot(const std::string& directory, const struct stat& target,
                 const struct stat& socket) {
  const std::unique_ptr<char, decltype(&std::free)> path(::realpath(directory.c_str(), nullptr),
                                                         &std::free);
  return target.st_uid == socket.st_uid && path != nullptr && MadeByRoot(path.get());
}

}  // namespace

SocketOwner LookAtSocket(const std::string& path, uid_t uid) {
  struct stat socket{};
  // What can't be looked at can't be called either, so it counts as absent.
  if (::lstat(path.c_str(), &socket) != 0) return SocketOwner::kNobody;
  const std::string directory = path.substr(0, path.rfind('/'));
  struct stat entry{};  // of the directory itself, or of a link to it
  struct stat target{};
  const bool seen =
      ::lstat(directory.c_str(), &entry) == 0 && ::stat(directory.c_str(), &target) == 0;
  if (!seen || !S_ISSOCK(socket.st_mode) || OthersMayReplace(target)) return SocketOwner::kOther;
  const bool is_link = S_ISLNK(entry.st_mode);
  const bool way_is_ours = !is_link || OwnedBy(entry, uid);
  const bool ours = OwnedBy(socket, uid) && OwnedBy(target, uid);
  return way_is_ours && (ours || GivenByRoot(directory, target, socket)) ? SocketOwner::kTrusted
                                                                         : SocketOwner::kOther;
}

Environment Environment::OfThisProcess() {
  return {.remora_server = FromEnvironment("REMORA_SERVER"),
          .xdg_runtime_dir = FromEnvironment("XDG_RUNTIME_DIR"),
          .uid = ::getuid(),
          .look = [uid = ::getuid()](const std::string& path) { return LookAtSocket(path, uid); }};
}

std::expected<ChosenAddress, std::string> ChooseAddress(const Environment& environment) {
  if (environment.remora_server) return ChosenAddress{*environment.remora_server, "REMORA_SERVER"};
  const std::vector<std::string> candidates = Candidates(environment);
  std::string refused;
  for (const std::string& path : candidates) {
    const SocketOwner owner = environment.look(path);
    if (owner == SocketOwner::kTrusted)
      return ChosenAddress{"unix:" + path, "a socket found there"};
    if (owner == SocketOwner::kOther && refused.empty()) refused = path;
  }
  if (refused.empty())
    return ChosenAddress{"unix:" + candidates.front(), "default: no socket found"};
  return std::unexpected("the socket " + refused +
                         " or its directory belongs to another user, or could be replaced by one");
}

std::expected<std::string, std::string> DefaultAddress(const Environment& environment) {
  auto chosen = ChooseAddress(environment);
  if (!chosen) return std::unexpected(std::move(chosen.error()));
  return std::move(chosen->address);
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
