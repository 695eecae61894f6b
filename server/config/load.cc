#include "server/config/load.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "proxy/base/abseil.h"
#include "server/config/cpu_quota.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

constexpr std::size_t kMaxFileBytes = 4 * 1024 * 1024;
constexpr std::size_t kPieceBytes = 16 * 1024;
constexpr const char* kLookedUp[] = {"config.yaml", "/etc/remora/config.yaml"};

std::optional<std::string> Variable(const GetEnv& get_env, const std::string& name) {
  const char* const value = get_env(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

// "control.address" -> "REMORA_CONTROL_ADDRESS"
std::string VariableName(std::string_view path) {
  return "REMORA_" + absl::AsciiStrToUpper(absl::StrReplaceAll(ToAbsl(path), {{".", "_"}}));
}

absl::Status CannotRead(std::string_view path, int error) {
  return absl::InvalidArgumentError(
      absl::StrCat(ToAbsl(path), ": cannot be read: ", std::strerror(error)));
}

// The file to read; nullopt where none was asked for and none is there. One that may be there but
// can't be looked at is an error: to start without it would mean to ignore it.
absl::StatusOr<std::optional<std::string>> FindFile(const Flags& flags, const GetEnv& get_env) {
  if (flags.config_file) return flags.config_file;
  if (auto named = Variable(get_env, "REMORA_CONFIG")) return named;
  if (flags.demo) return std::nullopt;
  for (const char* const path : kLookedUp) {
    struct stat info{};
    if (stat(path, &info) == 0) return path;
    if (errno != ENOENT && errno != ENOTDIR) return CannotRead(path, errno);
  }
  return std::nullopt;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const auto fail = [&path](std::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", ToAbsl(why)));
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return fail("is a directory, not a file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return CannotRead(path, errno);
  // Piece by piece, whatever its size is said to be: it may grow, or be no regular file. (A buffer
  // of the largest size took 2 ms to be cleared.)
  std::string text;
  std::array<char, kPieceBytes> piece;
  while (file && text.size() <= kMaxFileBytes) {
    file.read(piece.data(), piece.size());
    text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad()) return fail("cannot be read");
  if (text.size() > kMaxFileBytes) return fail("is larger than 4 MiB");
  return text;
}

}  // namespace

std::vector<Override> ReadEnvironment(const GetEnv& get_env) {
  std::vector<Override> overrides;
  if (const auto listen = Variable(get_env, "REMORA_LISTEN")) {
    overrides.push_back({.source = "REMORA_LISTEN",
                         .path = "listeners",
                         .values = absl::StrSplit(*listen, ',', absl::SkipWhitespace())});
  }
  for (const std::string_view path : ScalarPaths()) {
    std::string name = VariableName(path);
    if (auto value = Variable(get_env, name)) {
      overrides.push_back(
          {.source = std::move(name), .path = std::string(path), .values = {*std::move(value)}});
    }
  }
  return overrides;
}

absl::StatusOr<Config> LoadConfig(const Flags& flags, const GetEnv& get_env) {
  ConfigSources sources{.demo = flags.demo,
                        .file_text = std::nullopt,
                        .file_name = {},
                        .overrides = ReadEnvironment(get_env),
                        .grace = Variable(get_env, "TERMINATION_GRACE_PERIOD_SECONDS")};
  const absl::StatusOr<std::optional<std::string>> path = FindFile(flags, get_env);
  if (!path.ok()) return path.status();
  FileStamp stamp;
  if (path->has_value()) {
    stamp = StampOf(**path);  // first, so that a change while it is read is seen later
    absl::StatusOr<std::string> text = ReadFile(**path);
    if (!text.ok()) return text.status();
    sources.file_text = *std::move(text);
    sources.file_name = **path;
  }
  sources.overrides.insert(sources.overrides.end(), flags.overrides.begin(), flags.overrides.end());
  absl::StatusOr<Config> config = BuildConfig(sources);
  if (!config.ok()) return config;
  config->file_stamp = stamp;
  if (config->proxy.workers == kAutoWorkers) {
    std::string& origin = config->origins["workers"];
    origin = (origin.empty() ? "default" : origin) + " (auto)";
    config->proxy.workers = AutoWorkers(ReadCpuQuota(), std::thread::hardware_concurrency());
  }
  if (config->control.address.empty()) {
    config->control.address = DefaultControlAddress(
        geteuid(), Variable(get_env, "XDG_RUNTIME_DIR").value_or(std::string()));
  }
  return config;
}

}  // namespace remora::server
