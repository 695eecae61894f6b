// Where the API server of Kubernetes is, and as whom it is called: a pod's own account, or a
// kubeconfig.
//
// Pure, but for FindAccess and Read. Files are named, not read, until they are needed: kubelet
// rotates the token of a pod every hour or so.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "cli/failure.h"

namespace remora::cli::discovery {

// Something secret or PEM: in a file, or here.
struct Material {
  std::string file = {};
  std::string data = {};

  bool empty() const { return file.empty() && data.empty(); }
  // The error names the file.
  std::expected<std::string, std::string> Read() const;

  friend bool operator==(const Material&, const Material&) = default;
};

struct KubernetesAccess {
  std::string host = {};  // without brackets
  std::uint16_t port = 443;
  std::string base_path = {};    // "" or "/k8s/clusters/c1"
  std::string server_name = {};  // that the certificate is for; empty: `host`
  Material authority = {};       // PEM of the CA; empty: those of the system
  Material certificate = {};     // PEM of the client, with `key`
  Material key = {};
  Material token = {};
};

// What the environment says.
struct KubernetesEnvironment {
  std::optional<std::string> kubeconfig = {};    // KUBECONFIG
  std::optional<std::string> home = {};          // HOME
  std::optional<std::string> service_host = {};  // KUBERNETES_SERVICE_HOST: only in a pod
  std::optional<std::string> service_port = {};  // KUBERNETES_SERVICE_PORT
  std::string account = "/var/run/secrets/kubernetes.io/serviceaccount";

  static KubernetesEnvironment OfThisProcess();
};

// KUBECONFIG if set; else the account of the pod that this runs in; else ~/.kube/config.
Reply<KubernetesAccess> FindAccess(const KubernetesEnvironment& environment);

// The current context of a kubeconfig. `file` is its name: paths in it are relative to its folder.
// What Remora can't do (exec plugins, user and password, no check of certificates) is an error that
// says what to do instead.
Reply<KubernetesAccess> ParseKubeconfig(const std::string& text, const std::string& file);

}  // namespace remora::cli::discovery
