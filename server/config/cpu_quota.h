// How many workers `workers: auto` means: as many as the CPU time that we may use keeps busy.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace remora::server {

// The CPUs that the text of a cgroup v2 cpu.max allows, rounded up: "150000 100000" is 2. nullopt
// for "max 100000" (no limit) and for what is not such a text. Pure.
std::optional<std::uint32_t> CpusOfQuota(std::string_view cpu_max);

// At least 1, at most 4: a sidecar leaves the machine to its application. Pure.
std::uint32_t AutoWorkers(std::optional<std::uint32_t> quota, std::uint32_t hardware);

// The least quota of this process's cgroup and those above it; nullopt where there is none.
std::optional<std::uint32_t> ReadCpuQuota();

}  // namespace remora::server
