// What stands in the way of the sidecar in a workload, and how to mend it. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/inject/options.h"
#include "cli/inject/source.h"
#include "cli/inject/workload.h"

namespace remora::cli::inject {

struct Finding {
  std::string place;  // "web.yaml:12:7"
  std::string what;
  std::string mend;

  friend bool operator==(const Finding&, const Finding&) = default;
};

// Names that the sidecar needs and that something else has: it can't be injected.
std::vector<Finding> FindClashes(const Workload& workload, const Source& source);

struct KubernetesVersion {
  int major = 1;
  int minor = 0;

  friend auto operator<=>(const KubernetesVersion&, const KubernetesVersion&) = default;
};
// "1.28", "v1.28.3"; nullopt for another text.
std::optional<KubernetesVersion> ParseKubernetesVersion(std::string_view text);
// The first that has native sidecars: before it the application is started by `remoractl exec`.
inline constexpr KubernetesVersion kNativeSidecars{1, 29};

// The clashes and all else, in the order of the rules. `cluster` is nullopt where nobody says it.
std::vector<Finding> CheckWorkload(const Workload& workload, const SidecarOptions& options,
                                   std::optional<KubernetesVersion> cluster, const Source& source);

// What the pod spec says, or kDefaultGraceSeconds.
int GraceSecondsOf(const Workload& workload);

}  // namespace remora::cli::inject
