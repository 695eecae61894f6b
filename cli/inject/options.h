// What may be chosen for the sidecar of a workload: by annotations `remora.dev/...` of its pod
// template, or for one run by flags, which win. Pure.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "cli/failure.h"
#include "cli/inject/source.h"
#include "cli/inject/workload.h"

namespace remora::cli::inject {

// As they are written; empty where nothing is said.
struct SidecarOptions {
  std::string inject = {};     // "enabled" or "disabled"
  std::string direction = {};  // "outbound" or "inbound"
  std::string config = {};     // name of the ConfigMap that has config.yaml
  std::string image = {};
  std::string discover = {};     // "[namespace/]service[:port]", for a second sidecar
  std::string cpu_request = {};  // quantities; "none" for no such line
  std::string cpu_limit = {};
  std::string memory_request = {};
  std::string memory_limit = {};

  bool is_inbound() const { return direction == "inbound"; }
};

struct OptionRule {
  std::string_view name;  // "cpu-request": the annotation behind "remora.dev/", and the flag
  std::string SidecarOptions::* field;
  // The error in a value; empty where it is good.
  std::string (*check)(const std::string& value);
};
inline constexpr std::size_t kOptionCount = 9;
const std::array<OptionRule, kOptionCount>& OptionRules();

// The flags, else the annotations, else the defaults: everything but `config` and `discover` has a
// value then. Annotations with unknown names, with values that are not allowed, or that stand
// beside the pod template are kUsage, all of them in one failure.
Reply<SidecarOptions> ReadOptions(const Workload& workload, const SidecarOptions& flags,
                                  const Source& source);

}  // namespace remora::cli::inject
