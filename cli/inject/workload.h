// The workloads in the documents of a file: Deployments, StatefulSets, DaemonSets, Jobs, CronJobs
// and Pods, also as items of a List. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"
#include "cli/inject/source.h"
#include "cli/inject/yaml_document.h"
#include "cli/inject/yaml_node.h"

namespace remora::cli::inject {

// The pointers are into the document, which outlives it.
struct Workload {
  std::string kind = {};
  std::string name = {};  // "Deployment/web"
  const YamlDocument* document = nullptr;
  const YamlNode* object = nullptr;
  const YamlNode* pod = nullptr;    // the map that has `metadata` and `spec` of the pod
  const YamlEntry* spec = nullptr;  // entry of the pod spec; its value is no alias
  // Why the pod spec can't be changed where it stands; empty where it can.
  std::string shared = {};

  const YamlNode& pod_spec() const { return spec->value; }
  // A scalar or list of the pod spec and so on; nullptr where there is none.
  const YamlNode* Find(std::string_view key) const { return document->Find(pod_spec(), key); }
};

// All of them, in the order of the file. One without a pod spec, or whose pod spec is an alias, is
// a kUsage failure.
Reply<std::vector<Workload>> FindWorkloads(const std::vector<YamlDocument>& documents,
                                           const Source& source);

// The keys from an object of this kind down to what has the pod's `metadata` and `spec`; nullptr
// for one that has no pod.
const std::vector<std::string_view>* PathToPod(std::string_view kind, std::string_view api_version);

}  // namespace remora::cli::inject
