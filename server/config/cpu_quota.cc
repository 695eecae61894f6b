#include "server/config/cpu_quota.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "server/config/values.h"

namespace remora::server {
namespace {

constexpr std::uint32_t kMostWorkers = 4;
constexpr std::string_view kRoot = "/sys/fs/cgroup";

std::string FirstLine(const std::filesystem::path& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

// The path below the root of the hierarchy: "/system.slice/remorad.service"; "/" in a container.
std::string OwnCgroup() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::/")) return line.substr(3);
  }
  return "/";
}

}  // namespace

std::optional<std::uint32_t> CpusOfQuota(std::string_view cpu_max) {
  while (cpu_max.ends_with('\n')) cpu_max.remove_suffix(1);
  const std::size_t blank = cpu_max.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const auto quota = ParseNumber(cpu_max.substr(0, blank));
  const auto period = ParseNumber(cpu_max.substr(blank + 1));
  if (!quota || !period || *quota == 0 || *period == 0) return std::nullopt;
  const std::uint64_t cpus = *quota / *period + (*quota % *period == 0 ? 0 : 1);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(cpus, UINT32_MAX));
}

std::uint32_t AutoWorkers(std::optional<std::uint32_t> quota, std::uint32_t hardware) {
  return std::clamp<std::uint32_t>(quota.value_or(hardware), 1, kMostWorkers);
}

std::optional<std::uint32_t> ReadCpuQuota() {
  std::optional<std::uint32_t> least;
  std::string own = OwnCgroup();
  for (;;) {
    const auto cpus = CpusOfQuota(FirstLine(std::string(kRoot) + own + "/cpu.max"));
    if (cpus) least = std::min(*cpus, least.value_or(*cpus));
    if (own.size() <= 1) return least;
    own.resize(std::max<std::size_t>(own.rfind('/'), 1));
  }
}

}  // namespace remora::server
