// The sidecar as it stands in a pod: the containers and volumes that belong to it. The same as in
// deploy/kubernetes, which is for reading. Pure.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inject/options.h"
#include "cli/inject/yaml_node.h"

namespace remora::cli::inject {

inline constexpr std::string_view kSidecarName = "remora";
inline constexpr std::string_view kDiscoverName = "remora-discover";
inline constexpr std::string_view kRunVolume = "remora-run";
inline constexpr std::string_view kConfigVolume = "remora-config";
inline constexpr std::string_view kTokenVolume = "remora-token";
inline constexpr std::array<std::string_view, 2> kContainerNames = {kSidecarName, kDiscoverName};
inline constexpr std::array<std::string_view, 3> kVolumeNames = {kConfigVolume, kRunVolume,
                                                                 kTokenVolume};

inline constexpr int kDataPort = 3000;
inline constexpr int kAdminPort = 3002;
inline constexpr int kDiscoverPort = 3003;
// Of a pod that does not say it.
inline constexpr int kDefaultGraceSeconds = 30;

SidecarOptions DefaultOptions();

// What goes into `initContainers`: the sidecar, and behind it the discovery if it is asked for.
std::vector<YamlNode> SidecarContainers(const SidecarOptions& options, int grace_seconds);
std::vector<YamlNode> SidecarVolumes(const SidecarOptions& options);

}  // namespace remora::cli::inject
