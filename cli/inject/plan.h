// The edits that bring the sidecar into the text of a workload, or take it out. Pure.
#pragma once

#include <vector>

#include "cli/failure.h"
#include "cli/inject/edit.h"
#include "cli/inject/options.h"
#include "cli/inject/source.h"
#include "cli/inject/workload.h"

namespace remora::cli::inject {

// Adds what is missing and brings what differs up to date; nothing where all is there already.
// A clash of names, or a pod spec that can't be changed where it stands, is kUsage.
Reply<std::vector<Edit>> PlanInjection(const Workload& workload, const SidecarOptions& options,
                                       const Source& source);

// Takes out what is of the sidecar.
Reply<std::vector<Edit>> PlanRemoval(const Workload& workload, const Source& source);

}  // namespace remora::cli::inject
