// `remoractl inject` on the text of a file: adds the sidecar to every workload in it, takes it out,
// or says what stands in its way. What is not of the sidecar stays as it is, byte for byte. Pure.
//
// Injecting what is injected changes nothing, and taking out gives the text from before; only an
// empty `volumes: []` or `initContainers: []` is not brought back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"
#include "cli/inject/check.h"
#include "cli/inject/options.h"

namespace remora::cli::inject {

struct Request {
  SidecarOptions flags = {};
  std::optional<KubernetesVersion> cluster = {};
  bool remove = false;
};

struct Changed {
  std::string text;
  std::vector<std::string> remarks;  // one a workload: "Deployment/web: added"
};

// `file` is for places. What can't be done is one kUsage failure, and then nothing is done.
Reply<Changed> ChangeText(std::string_view text, const std::string& file, const Request& request);

// Of every workload that is to have the sidecar.
Reply<std::vector<Finding>> CheckText(std::string_view text, const std::string& file,
                                      const Request& request);

}  // namespace remora::cli::inject
