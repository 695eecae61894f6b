#include "cli/discovery/kubernetes_access.h"

#include <openssl/evp.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include "cli/input.h"

namespace remora::cli::discovery {
namespace {

std::unexpected<Failure> Wrong(std::string message, std::string hint) {
  return std::unexpected(
      Failure{.exit = ExitCode::kUsage, .message = std::move(message), .hint = std::move(hint)});
}

std::optional<std::string> FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

std::string Text(const YAML::Node& node, const char* key) {
  if (!node.IsMap()) return {};
  const YAML::Node value = node[key];
  return value.IsDefined() && value.IsScalar() ? value.Scalar() : std::string();
}

// The `inner` map of the entry of `list` with this name: clusters, users and contexts look alike.
YAML::Node Named(const YAML::Node& root, const char* list, const char* inner,
                 const std::string& name) {
  const YAML::Node entries = root[list];
  if (!entries.IsDefined() || !entries.IsSequence()) return {};
  for (const YAML::Node& entry : entries) {
    if (Text(entry, "name") == name) return entry[inner];
  }
  return {};
}

std::expected<std::string, std::string> DecodeBase64(std::string text) {
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' '; });
  if (text.empty() || text.size() % 4 != 0) return std::unexpected("is not base64");
  std::string decoded(text.size() / 4 * 3, '\0');
  // OpenSSL wants unsigned char, which is the same memory.
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(decoded.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (length < 0) return std::unexpected("is not base64");
  std::size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  decoded.resize(static_cast<std::size_t>(length) - padding);
  return decoded;
}

// Reads one kubeconfig; `file` goes into messages and before relative paths.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  Reply<KubernetesAccess> Read(const YAML::Node& root) {
    const std::string current = Text(root, "current-context");
    if (current.empty()) {
      return Wrong(file_ + " has no current-context", "`kubectl config use-context NAME` sets it");
    }
    const YAML::Node context = Named(root, "contexts", "context", current);
    const YAML::Node cluster = Named(root, "clusters", "cluster", Text(context, "cluster"));
    if (!cluster.IsMap()) {
      return Wrong(file_ + " has no cluster for its context " + current, "see its `clusters`");
    }
    if (auto taken = TakeCluster(cluster); !taken) return std::unexpected(taken.error());
    const YAML::Node user = Named(root, "users", "user", Text(context, "user"));
    if (user.IsMap()) {
      if (auto taken = TakeUser(user); !taken) return std::unexpected(taken.error());
    }
    return std::move(access_);
  }

 private:
  Outcome TakeCluster(const YAML::Node& cluster) {
    if (Text(cluster, "insecure-skip-tls-verify") == "true") {
      return Wrong(file_ + " asks for no check of the server's certificate, which is not done",
                   "give the cluster a certificate-authority instead");
    }
    if (!Text(cluster, "proxy-url").empty()) {
      return Wrong(file_ + " names a proxy-url, which is not supported", "use a direct address");
    }
    access_.server_name = Text(cluster, "tls-server-name");
    if (auto material = Take(cluster, "certificate-authority"); material) {
      access_.authority = *std::move(material);
    } else {
      return std::unexpected(material.error());
    }
    return TakeServer(Text(cluster, "server"));
  }

  Outcome TakeServer(std::string_view server) {
    const auto wrong = [&] {
      return Wrong(file_ + " has the server '" + std::string(server) + "', which can't be used",
                   "it must be https://host[:port][/path]");
    };
    std::string_view rest = server;
    if (!rest.starts_with("https://")) return wrong();
    rest.remove_prefix(8);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    access_.base_path = rest.substr(slash);
    while (access_.base_path.ends_with('/')) access_.base_path.pop_back();
    std::string_view authority = rest.substr(0, slash);
    const std::size_t colon = authority.rfind(':');
    if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
      const std::string_view port = authority.substr(colon + 1);
      const auto [end, error] =
          std::from_chars(port.data(), port.data() + port.size(), access_.port);
      if (error != std::errc() || end != port.data() + port.size()) return wrong();
      authority = authority.substr(0, colon);
    }
    if (authority.starts_with('[') && authority.ends_with(']')) {
      authority = authority.substr(1, authority.size() - 2);
    }
    if (authority.empty()) return wrong();
    access_.host = authority;
    return {};
  }

  Outcome TakeUser(const YAML::Node& user) {
    if (user["exec"].IsDefined() || user["auth-provider"].IsDefined()) {
      return Wrong(file_ + " gets its credentials from a plugin, which is not supported",
                   "use a token or a client certificate: `kubectl create token ACCOUNT` makes one");
    }
    if (!Text(user, "username").empty()) {
      return Wrong(file_ + " has a user name and password, which is not supported",
                   "use a token or a client certificate");
    }
    auto certificate = Take(user, "client-certificate");
    if (!certificate) return std::unexpected(certificate.error());
    auto key = Take(user, "client-key");
    if (!key) return std::unexpected(key.error());
    access_.certificate = *std::move(certificate);
    access_.key = *std::move(key);
    access_.token = {.file = Path(Text(user, "tokenFile")), .data = Text(user, "token")};
    return {};
  }

  // `name` is a file, `name`-data wins over it.
  Reply<Material> Take(const YAML::Node& node, const std::string& name) {
    const std::string data = Text(node, (name + "-data").c_str());
    if (data.empty()) return Material{.file = Path(Text(node, name.c_str()))};
    auto decoded = DecodeBase64(data);
    if (!decoded) return Wrong(file_ + ": " + name + "-data " + decoded.error(), "see that file");
    return Material{.data = *std::move(decoded)};
  }

  std::string Path(const std::string& path) const {
    if (path.empty()) return {};
    return (std::filesystem::path(file_).parent_path() / path).string();
  }

  const std::string file_;
  KubernetesAccess access_;
};

Reply<KubernetesAccess> OfPod(const KubernetesEnvironment& environment) {
  KubernetesAccess access{.host = *environment.service_host,
                          .authority = {.file = environment.account + "/ca.crt"},
                          .token = {.file = environment.account + "/token"}};
  const std::string port = environment.service_port.value_or("443");
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), access.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return Wrong("KUBERNETES_SERVICE_PORT is '" + port + "'", "it is set by Kubernetes in a pod");
  }
  return access;
}

Reply<KubernetesAccess> ReadKubeconfig(const std::string& file) {
  const auto text = Material{.file = file}.Read();
  if (!text) return Wrong(text.error(), "set KUBECONFIG to a file that you may read");
  return ParseKubeconfig(*text, file);
}

}  // namespace

std::expected<std::string, std::string> Material::Read() const {
  if (file.empty()) return data;
  return ReadFile(file);
}

KubernetesEnvironment KubernetesEnvironment::OfThisProcess() {
  return {.kubeconfig = FromEnvironment("KUBECONFIG"),
          .home = FromEnvironment("HOME"),
          .service_host = FromEnvironment("KUBERNETES_SERVICE_HOST"),
          .service_port = FromEnvironment("KUBERNETES_SERVICE_PORT")};
}

Reply<KubernetesAccess> FindAccess(const KubernetesEnvironment& environment) {
  if (environment.kubeconfig) return ReadKubeconfig(*environment.kubeconfig);
  if (environment.service_host) return OfPod(environment);
  if (environment.home) {
    const std::string file = *environment.home + "/.kube/config";
    if (std::filesystem::exists(file)) return ReadKubeconfig(file);
  }
  return Wrong("there is no Kubernetes to ask: this is not a pod, and there is no kubeconfig",
               "set KUBECONFIG, or give the pod its account (automountServiceAccountToken)");
}

Reply<KubernetesAccess> ParseKubeconfig(const std::string& text, const std::string& file) {
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) return Wrong(file + " is not a kubeconfig", "set KUBECONFIG to one");
    return Reader(file).Read(root);
  } catch (const YAML::Exception& error) {
    return Wrong(file + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg,
                 "set KUBECONFIG to a kubeconfig");
  }
}

}  // namespace remora::cli::discovery
