#include "cli/discovery/kubernetes_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace remora::cli::discovery {
namespace {

using testing::HasSubstr;

// A kubeconfig with this cluster and this user, in flow style.
std::string Config(const std::string& cluster, const std::string& user = "{}") {
  return "current-context: here\n"
         "contexts: [{name: other, context: {}}, {name: here, context: {cluster: c, user: u}}]\n"
         "clusters: [{name: c, cluster: " +
         cluster + "}]\nusers: [{name: u, user: " + user + "}]\n";
}

KubernetesAccess Parse(const std::string& text) {
  auto access = ParseKubeconfig(text, "/etc/kube/config");
  EXPECT_TRUE(access) << access.error().message;
  return access ? *access : KubernetesAccess();
}

TEST(KubeconfigTest, TheCurrentContextCounts) {
  const auto access =
      Parse(Config("{server: 'https://api.example:6443/k8s/', certificate-authority: ca.crt, "
                   "tls-server-name: kubernetes}",
                   "{client-certificate: /abs/tls.crt, client-key: tls.key, token: abc}"));
  EXPECT_EQ(access.host, "api.example");
  EXPECT_EQ(access.port, 6443);
  EXPECT_EQ(access.base_path, "/k8s");
  EXPECT_EQ(access.server_name, "kubernetes");
  EXPECT_EQ(access.authority, (Material{.file = "/etc/kube/ca.crt"}));
  EXPECT_EQ(access.certificate, (Material{.file = "/abs/tls.crt"}));
  EXPECT_EQ(access.key, (Material{.file = "/etc/kube/tls.key"}));
  EXPECT_EQ(access.token, (Material{.data = "abc"}));
}

TEST(KubeconfigTest, ServersMayBeAddressesAndLeaveThePortOut) {
  const auto v6 = Parse(Config("{server: 'https://[fd00::1]:6443'}"));
  EXPECT_EQ(v6.host, "fd00::1");
  EXPECT_EQ(v6.port, 6443);
  const auto plain = Parse(Config("{server: 'https://10.0.0.1'}"));
  EXPECT_EQ(plain.host, "10.0.0.1");
  EXPECT_EQ(plain.port, 443);
  EXPECT_TRUE(plain.authority.empty() && plain.token.empty() && plain.certificate.empty());
}

TEST(KubeconfigTest, DataWinsOverAFileAndIsDecoded) {
  const auto access = Parse(
      Config("{server: 'https://a', certificate-authority: x, certificate-authority-data: UEVN}",
             "{client-key-data: 'UEU=', tokenFile: token}"));
  EXPECT_EQ(access.authority, (Material{.data = "PEM"}));
  EXPECT_EQ(access.key, (Material{.data = "PE"}));
  EXPECT_EQ(access.token, (Material{.file = "/etc/kube/token"}));
}

TEST(KubeconfigTest, WhatCanNotBeUsedSaysWhatToDoInstead) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[]", "is not a kubeconfig"},
      {"{", "config:"},
      {"{}", "has no current-context"},
      {"current-context: x", "has no cluster for its context x"},
      {Config("{server: 'http://a'}"), "it must be https://"},
      {Config("{server: 'https://'}"), "it must be https://"},
      {Config("{server: 'https://a:x'}"), "it must be https://"},
      {Config("{server: 'https://a', insecure-skip-tls-verify: true}"), "certificate-authority"},
      {Config("{server: 'https://a', proxy-url: 'http://p'}"), "proxy-url"},
      {Config("{server: 'https://a', certificate-authority-data: '!'}"), "is not base64"},
      {Config("{server: 'https://a'}", "{exec: {command: aws}}"), "a plugin"},
      {Config("{server: 'https://a'}", "{auth-provider: {name: gcp}}"), "a plugin"},
      {Config("{server: 'https://a'}", "{username: u, password: p}"), "user name and password"},
  };
  for (const auto& [text, message] : cases) {
    const auto access = ParseKubeconfig(text, "config");
    ASSERT_FALSE(access) << text;
    EXPECT_THAT(access.error().message + " " + access.error().hint, HasSubstr(message));
    EXPECT_EQ(access.error().exit, ExitCode::kUsage);
    EXPECT_NE(access.error().hint, "");
  }
}

class FindAccessTest : public testing::Test {
 protected:
  FindAccessTest() {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    home_ = std::filesystem::path(testing::TempDir()) / ("remora-access-" + name);
    std::filesystem::create_directories(home_ / ".kube");
  }
  ~FindAccessTest() override { std::filesystem::remove_all(home_); }

  std::string Write(const std::string& name, const std::string& server) {
    const auto path = home_ / name;
    std::ofstream(path) << Config("{server: 'https://" + server + "'}");
    return path.string();
  }

  std::filesystem::path home_;
};

TEST_F(FindAccessTest, KubeconfigThenThePodThenTheHomeOfTheUser) {
  KubernetesEnvironment environment{.home = home_.string(), .account = "/account"};
  const auto host = [&] {
    const auto access = FindAccess(environment);
    return access ? access->host : "error: " + access.error().message;
  };
  EXPECT_THAT(host(), HasSubstr("there is no Kubernetes to ask"));
  Write(".kube/config", "home");
  EXPECT_EQ(host(), "home");
  environment.service_host = "10.96.0.1";
  environment.service_port = "6443";
  EXPECT_EQ(host(), "10.96.0.1");
  const auto pod = FindAccess(environment);
  EXPECT_EQ(pod->port, 6443);
  EXPECT_EQ(pod->token, (Material{.file = "/account/token"}));
  EXPECT_EQ(pod->authority, (Material{.file = "/account/ca.crt"}));
  environment.kubeconfig = Write("named", "named");
  EXPECT_EQ(host(), "named");
  environment.kubeconfig = (home_ / "missing").string();
  EXPECT_THAT(host(), HasSubstr("can't read")) << "what is named must be there";
}

TEST_F(FindAccessTest, AFileIsReadWhenItIsNeeded) {
  const Material material{.file = (home_ / "token").string()};
  EXPECT_FALSE(material.Read());
  std::ofstream(material.file) << "one";
  EXPECT_EQ(material.Read(), "one");
  std::ofstream(material.file) << "two";
  EXPECT_EQ(material.Read(), "two");
}

}  // namespace
}  // namespace remora::cli::discovery
