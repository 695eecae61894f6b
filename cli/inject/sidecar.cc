#include "cli/inject/sidecar.h"

#include <utility>

#include "cli/version.h"

namespace remora::cli::inject {
namespace {

constexpr const char* kClient = "/usr/bin/remoractl";

using Entries = std::vector<std::pair<std::string, YamlNode>>;

YamlNode Number(int number) { return Plain(std::to_string(number)); }
YamlNode Words(std::string_view text) { return Text(std::string(text)); }

YamlNode Mount(std::string_view volume, const std::string& path, bool read_only) {
  Entries mount = {{"name", Words(volume)}, {"mountPath", Text(path)}};
  if (read_only) mount.emplace_back("readOnly", Plain("true"));
  return Map(std::move(mount));
}

YamlNode FieldRef(const std::string& path) { return Map({{"fieldPath", Text(path)}}); }

YamlNode Ports(std::string_view name, int number) {
  return List({Map({{"name", Words(name)}, {"containerPort", Number(number)}})});
}

YamlNode Probe(const std::string& path, std::string_view port, int period, int failures) {
  return Map({{"httpGet", Map({{"path", Text(path)}, {"port", Words(port)}})},
              {"periodSeconds", Number(period)},
              {"failureThreshold", Number(failures)}});
}

// What the Pod Security Standard `restricted` asks for, and a root that can't be written.
YamlNode SecurityContext() {
  return Map({{"runAsNonRoot", Plain("true")},
              {"runAsUser", Plain("65532")},
              {"runAsGroup", Plain("65532")},
              {"allowPrivilegeEscalation", Plain("false")},
              {"readOnlyRootFilesystem", Plain("true")},
              {"capabilities", Map({{"drop", List({Text("ALL")})}})},
              {"seccompProfile", Map({{"type", Text("RuntimeDefault")}})}});
}

YamlNode Amounts(const std::string& cpu, const std::string& memory) {
  Entries entries;
  if (cpu != "none") entries.emplace_back("cpu", Text(cpu));
  if (memory != "none") entries.emplace_back("memory", Text(memory));
  return Map(std::move(entries));
}

YamlNode Resources(YamlNode requests, YamlNode limits) {
  Entries resources;
  if (!IsEmpty(requests)) resources.emplace_back("requests", std::move(requests));
  if (!IsEmpty(limits)) resources.emplace_back("limits", std::move(limits));
  return Map(std::move(resources));
}

YamlNode Sidecar(const SidecarOptions& options, int grace_seconds) {
  constexpr std::string_view kPort = "remora-admin";
  // The kubelet comes over the pod's address, so the admin port is not on loopback.
  std::vector<YamlNode> args = {Text("--admin=0.0.0.0:" + std::to_string(kAdminPort))};
  std::vector<YamlNode> mounts = {Mount(kRunVolume, "/run/remora", false)};
  if (options.config.empty()) {
    args.push_back(Text("--listen=127.0.0.1:" + std::to_string(kDataPort)));
  } else {
    mounts.insert(mounts.begin(), Mount(kConfigVolume, "/etc/remora", true));
  }
  const YamlNode grace = Map({{"name", Text("TERMINATION_GRACE_PERIOD_SECONDS")},
                              {"value", Text(std::to_string(grace_seconds))}});
  const YamlNode prestop = Map({{"command", List({Text(kClient), Text("prestop")})}});
  return Map({{"name", Words(kSidecarName)},
              {"image", Text(options.image)},
              {"restartPolicy", Text("Always")},
              {"args", List(std::move(args))},
              {"env", List({grace})},
              {"ports", Ports(kPort, kAdminPort)},
              {"startupProbe", Probe("/startupz", kPort, 1, 30)},
              {"readinessProbe", Probe("/readyz", kPort, 2, 2)},
              {"livenessProbe", Probe("/livez", kPort, 10, 3)},
              {"lifecycle", Map({{"preStop", Map({{"exec", prestop}})}})},
              {"resources", Resources(Amounts(options.cpu_request, options.memory_request),
                                      Amounts(options.cpu_limit, options.memory_limit))},
              {"securityContext", SecurityContext()},
              {"volumeMounts", List(std::move(mounts))}});
}

// A process of its own, so that the token it is given is not where traffic is. Whether the pod
// mounts that of its account elsewhere is left to automountServiceAccountToken.
YamlNode Discover(const SidecarOptions& options) {
  constexpr std::string_view kPort = "discover-admin";
  const bool own_namespace = !options.discover.contains('/');
  Entries container = {
      {"name", Words(kDiscoverName)},
      {"image", Text(options.image)},
      {"restartPolicy", Text("Always")},
      {"command", List({Text(kClient)})},
      {"args", List({Text("discover"), Text("--source=kubernetes"),
                     Text("--service=" +
                          (own_namespace ? "$(NAMESPACE)/" + options.discover : options.discover)),
                     Text("--admin=0.0.0.0:" + std::to_string(kDiscoverPort))})}};
  if (own_namespace) {
    const YamlNode field = Map({{"fieldRef", FieldRef("metadata.namespace")}});
    container.emplace_back("env", List({Map({{"name", Text("NAMESPACE")}, {"valueFrom", field}})}));
  }
  container.emplace_back("ports", Ports(kPort, kDiscoverPort));
  container.emplace_back("startupProbe", Probe("/readyz", kPort, 1, 60));
  container.emplace_back("livenessProbe", Probe("/livez", kPort, 10, 3));
  container.emplace_back("resources", Resources(Amounts("10m", "24Mi"), Amounts("200m", "96Mi")));
  container.emplace_back("securityContext", SecurityContext());
  container.emplace_back(
      "volumeMounts",
      List({Mount(kRunVolume, "/run/remora", false),
            Mount(kTokenVolume, "/var/run/secrets/kubernetes.io/serviceaccount", true)}));
  return Map(std::move(container));
}

// What Kubernetes would mount into every container, for the one that needs it.
YamlNode TokenVolume() {
  const auto file = [](const char* key) {
    return List({Map({{"key", Text(key)}, {"path", Text(key)}})});
  };
  const YamlNode token = Map({{"path", Text("token")}, {"expirationSeconds", Plain("3600")}});
  const YamlNode ca = Map({{"name", Text("kube-root-ca.crt")}, {"items", file("ca.crt")}});
  const YamlNode field =
      Map({{"path", Text("namespace")}, {"fieldRef", FieldRef("metadata.namespace")}});
  return Map(
      {{"name", Words(kTokenVolume)},
       {"projected",
        Map({{"defaultMode", Number(0444)},
             {"sources", List({Map({{"serviceAccountToken", token}}), Map({{"configMap", ca}}),
                               Map({{"downwardAPI", Map({{"items", List({field})}})}})})}})}});
}

}  // namespace

SidecarOptions DefaultOptions() {
  return {.inject = "enabled",
          .direction = "outbound",
          .image = "remora:" + ClientVersion(),
          .cpu_request = "20m",
          .cpu_limit = "1",
          .memory_request = "32Mi",
          .memory_limit = "128Mi"};
}

std::vector<YamlNode> SidecarContainers(const SidecarOptions& options, int grace_seconds) {
  std::vector<YamlNode> containers = {Sidecar(options, grace_seconds)};
  if (!options.discover.empty()) containers.push_back(Discover(options));
  return containers;
}

std::vector<YamlNode> SidecarVolumes(const SidecarOptions& options) {
  std::vector<YamlNode> volumes;
  if (!options.config.empty()) {
    volumes.push_back(Map(
        {{"name", Words(kConfigVolume)}, {"configMap", Map({{"name", Text(options.config)}})}}));
  }
  const YamlNode memory = Map({{"medium", Text("Memory")}, {"sizeLimit", Text("1Mi")}});
  volumes.push_back(Map({{"name", Words(kRunVolume)}, {"emptyDir", memory}}));
  if (!options.discover.empty()) volumes.push_back(TokenVolume());
  return volumes;
}

}  // namespace remora::cli::inject
