// Whether two texts differ in nothing but the sidecar. Pure.
#pragma once

#include <vector>

#include "cli/inject/workload.h"
#include "cli/inject/yaml_document.h"

namespace remora::cli::inject {

bool HasSidecar(const Workload& workload);

// The same data in each document, when the sidecar is taken out of both. An empty list counts as
// none.
bool SameButForSidecar(const std::vector<YamlDocument>& before,
                       const std::vector<YamlDocument>& after);

}  // namespace remora::cli::inject
