#include "cli/inject/check.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <functional>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/inject/sidecar.h"

namespace remora::cli::inject {
namespace {

using enum YamlNode::Kind;

// shutdown.delay, and what is kept for the end (see remorad).
constexpr int kLeastGraceSeconds = 5 + 2;

std::optional<int> IntOf(const YamlNode* node) {
  if (node == nullptr || node->kind != kScalar) return std::nullopt;
  int number = 0;
  const char* const last = node->value.data() + node->value.size();
  const auto [end, error] = std::from_chars(node->value.data(), last, number);
  if (error != std::errc() || end != last) return std::nullopt;
  return number;
}

bool IsTrue(const YamlNode* node) { return node != nullptr && node->value == "true"; }
bool IsFalse(const YamlNode* node) { return node != nullptr && node->value == "false"; }

// Collects what the rules find in one workload.
class Inspector {
 public:
  Inspector(const Workload& workload, const Source& source)
      : workload_(workload), document_(*workload.document), source_(source) {}

  std::vector<Finding> Take() { return std::move(findings_); }

  void FindClashes() {
    ForEachIn("containers", [&](const YamlNode& container) {
      if (!IsOurContainer(Name(container))) return;
      Found(container, "a container has the name " + Name(container) + " of the sidecar",
            "give the container another name");
    });
    bool injected = false;
    ForEachIn("initContainers", [&](const YamlNode& container) {
      if (!IsOurContainer(Name(container))) return;
      injected = true;
      if (document_.FindText(container, "restartPolicy") == "Always") return;
      Found(container, "an init container has the name " + Name(container) + " of the sidecar",
            "give it another name; if it is the sidecar, it lacks `restartPolicy: Always`");
    });
    if (injected) return;
    ForEachIn("volumes", [&](const YamlNode& volume) {
      if (std::ranges::find(kVolumeNames, Name(volume)) == kVolumeNames.end()) return;
      Found(volume, "a volume has the name " + Name(volume) + " of one that the sidecar needs",
            "give the volume another name, here and in the volumeMounts");
    });
  }

  void CheckCluster(std::optional<KubernetesVersion> cluster) {
    if (!cluster || *cluster >= kNativeSidecars) return;
    Found(workload_.spec->key,
          "Kubernetes " + std::to_string(cluster->major) + "." + std::to_string(cluster->minor) +
              " has no native sidecars, which came with 1.29",
          "start the application by `remoractl exec -- command`, as in "
          "deploy/kubernetes/overlays/exec");
  }

  void CheckPorts(const SidecarOptions& options) {
    std::vector<int> taken = {kDataPort, kAdminPort};
    if (!options.discover.empty()) taken.push_back(kDiscoverPort);
    for (const char* list : {"containers", "initContainers"}) {
      ForEachIn(list, [&](const YamlNode& container) {
        if (IsOurContainer(Name(container))) return;
        const YamlNode* ports = document_.Find(container, "ports");
        if (ports == nullptr) return;
        for (const YamlNode& port : ports->items) CheckPort(container, port, taken);
      });
    }
    const YamlNode* host = workload_.Find("hostNetwork");
    if (!IsTrue(host)) return;
    std::string numbers;
    for (const int port : taken) numbers += (numbers.empty() ? "" : ", ") + std::to_string(port);
    Found(*host,
          "hostNetwork: the ports " + numbers +
              " would be opened on the node, where anybody "
              "reaches them and a second such pod finds them taken",
          "take hostNetwork out, or leave this workload without the sidecar: "
          "remora.dev/inject: \"disabled\"");
  }

  void CheckGrace() {
    const YamlNode* grace = workload_.Find("terminationGracePeriodSeconds");
    if (grace == nullptr || grace->kind == kNull) {
      Found(workload_.spec->key,
            "terminationGracePeriodSeconds is not set: requests that run at the end of the pod "
            "are cut after 28 s, as Kubernetes gives it 30 s",
            "set it to the time that the longest request may take, and 7 s more");
      return;
    }
    const auto seconds = IntOf(grace);
    if (seconds && *seconds >= kLeastGraceSeconds) return;
    Found(*grace,
          "terminationGracePeriodSeconds " + grace->value + " is shorter than the sidecar needs: " +
              "listeners stay open for 5 s (shutdown.delay), and 2 s are for the end",
          "set it to 30, or to " + std::to_string(kLeastGraceSeconds) + " at least");
  }

  void CheckRestartPolicy() {
    const YamlNode* policy = workload_.Find("restartPolicy");
    const std::string value = policy == nullptr ? "" : policy->value;
    if (workload_.kind == "Job" || workload_.kind == "CronJob") {
      if (value == "Never" || value == "OnFailure") return;
      Found(policy == nullptr ? workload_.spec->key : *policy,
            value.empty() ? "restartPolicy is not set, and a Job may not have the default, Always"
                          : "restartPolicy " + value + " is not for Jobs",
            "set `restartPolicy: Never` or `OnFailure`; the sidecar has its own, and does not keep "
            "the Job from ending");
    } else if (workload_.kind != "Pod" && !value.empty() && value != "Always") {
      Found(*policy, "restartPolicy " + value + " is not for a " + workload_.kind,
            "take it out: only Always is allowed, and that is the default");
    }
  }

  void CheckSecurity() {
    const YamlNode* context = workload_.Find("securityContext");
    if (context != nullptr) {
      const YamlNode* non_root = document_.Find(*context, "runAsNonRoot");
      const YamlNode* user = document_.Find(*context, "runAsUser");
      if (IsFalse(non_root) || IntOf(user) == 0) {
        Found(IsFalse(non_root) ? *non_root : *user,
              "the pod's securityContext makes it run as root: the sidecar runs as 65532 all the "
              "same, but a namespace that enforces `restricted` refuses the pod",
              "set runAsNonRoot: true and another runAsUser for the pod, and what must differ at "
              "its container");
      }
      const YamlNode* seccomp = document_.Find(*context, "seccompProfile");
      if (seccomp != nullptr && document_.FindText(*seccomp, "type") == "Unconfined") {
        Found(*seccomp,
              "the pod's seccompProfile is Unconfined: a namespace that enforces `restricted` "
              "refuses the pod",
              "set `type: RuntimeDefault` for the pod");
      }
    }
    const YamlNode* os = workload_.Find("os");
    const YamlNode* selector = workload_.Find("nodeSelector");
    if (os != nullptr && document_.FindText(*os, "name") == "windows") {
      FoundWindows(*os);
    } else if (selector != nullptr &&
               document_.FindText(*selector, "kubernetes.io/os") == "windows") {
      FoundWindows(*selector);
    }
  }

  void CheckServers(const SidecarOptions& options) {
    if (options.discover.empty()) {
      if (!options.config.empty()) return;
      Found(workload_.spec->key, "the sidecar would know no servers",
            "name a ConfigMap with remora.dev/config, or a Service with remora.dev/discover");
      return;
    }
    const YamlNode* account = workload_.Find("serviceAccountName");
    if (account != nullptr && account->value != "default") return;
    Found(
        account == nullptr ? workload_.spec->key : *account,
        "the default service account may not watch endpointslices",
        "set serviceAccountName to one that may: deploy/kubernetes/components/discover/rbac.yaml");
  }

 private:
  static bool IsOurContainer(std::string_view name) {
    return std::ranges::find(kContainerNames, name) != kContainerNames.end();
  }

  std::string Name(const YamlNode& item) const {
    return std::string(document_.FindText(item, "name"));
  }

  void ForEachIn(std::string_view list, const std::function<void(const YamlNode&)>& use) const {
    const YamlNode* items = workload_.Find(list);
    if (items == nullptr) return;
    for (const YamlNode& item : items->items) use(document_.Resolve(item));
  }

  void Found(const YamlNode& node, std::string what, std::string mend) {
    findings_.push_back({.place = source_.PlaceOf(node.offset),
                         .what = workload_.name + ": " + std::move(what),
                         .mend = std::move(mend)});
  }

  void FoundWindows(const YamlNode& node) {
    Found(node, "the pod is for Windows, the sidecar for Linux",
          "leave it without the sidecar: remora.dev/inject: \"disabled\"");
  }

  void CheckPort(const YamlNode& container, const YamlNode& port, const std::vector<int>& taken) {
    for (const char* key : {"containerPort", "hostPort"}) {
      const YamlNode* node = document_.Find(port, key);
      const auto number = IntOf(node);
      if (!number || std::ranges::find(taken, *number) == taken.end()) continue;
      Found(*node,
            "container " + Name(container) + " has the " + key + " " + std::to_string(*number) +
                ", on which the sidecar listens",
            "let the container listen on another port, for example 8080");
      return;
    }
  }

  const Workload& workload_;
  const YamlDocument& document_;
  const Source& source_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> FindClashes(const Workload& workload, const Source& source) {
  Inspector inspector(workload, source);
  inspector.FindClashes();
  return inspector.Take();
}

std::optional<KubernetesVersion> ParseKubernetesVersion(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  KubernetesVersion version;
  const char* const last = text.data() + text.size();
  const auto major = std::from_chars(text.data(), last, version.major);
  if (major.ec != std::errc() || major.ptr == last || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, last, version.minor);
  // Clusters of some providers say "1.28+".
  const bool good = minor.ec == std::errc() && version.major > 0 && version.minor >= 0 &&
                    (minor.ptr == last || *minor.ptr == '.' || *minor.ptr == '+');
  return good ? std::optional(version) : std::nullopt;
}

std::vector<Finding> CheckWorkload(const Workload& workload, const SidecarOptions& options,
                                   std::optional<KubernetesVersion> cluster, const Source& source) {
  Inspector inspector(workload, source);
  inspector.FindClashes();
  inspector.CheckCluster(cluster);
  inspector.CheckPorts(options);
  inspector.CheckGrace();
  inspector.CheckRestartPolicy();
  inspector.CheckSecurity();
  inspector.CheckServers(options);
  return inspector.Take();
}

int GraceSecondsOf(const Workload& workload) {
  return IntOf(workload.Find("terminationGracePeriodSeconds")).value_or(kDefaultGraceSeconds);
}

}  // namespace remora::cli::inject
