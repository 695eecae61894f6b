#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/inject/check.h"
#include "cli/inject/inject.h"

namespace remora::cli::inject {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const SidecarOptions kFlags = {.config = "web"};

const std::string kHead = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";

// Beside what a case says, nothing is wrong. The line of what it says is 6.
std::string Pod(const std::string& lines) {
  return kHead + "spec:\n  containers: [{name: web}]\n" + lines +
         (lines.contains("terminationGrace") ? "" : "  terminationGracePeriodSeconds: 30\n");
}

std::string Workload(const std::string& kind, const std::string& api, const std::string& lines) {
  return "kind: " + kind + "\napiVersion: " + api +
         "\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n" +
         "      terminationGracePeriodSeconds: 30\n      containers: [{name: web}]\n" + lines;
}

// "place: what", one for each finding.
std::vector<std::string> Found(const std::string& text,
                               const Request& request = {.flags = kFlags}) {
  const auto findings = CheckText(text, "a.yaml", request);
  if (!findings) return {findings.error().message};
  std::vector<std::string> found;
  for (const Finding& finding : *findings) {
    EXPECT_FALSE(finding.mend.empty());
    found.push_back(finding.place + ": " + finding.what);
  }
  return found;
}

TEST(InjectCheckTest, AGoodWorkloadHasNoFindings) {
  EXPECT_THAT(Found(Pod("")), IsEmpty());
  EXPECT_THAT(Found(Workload("Deployment", "apps/v1", "      restartPolicy: Always\n")), IsEmpty());
  EXPECT_THAT(Found(Workload("Job", "batch/v1", "      restartPolicy: OnFailure\n")), IsEmpty());
}

TEST(InjectCheckTest, WhatIsInjectedHasNone) {
  const auto changed = ChangeText(Pod(""), "a.yaml", {.flags = kFlags});
  ASSERT_TRUE(changed);
  EXPECT_THAT(Found(changed->text), IsEmpty());
}

TEST(InjectCheckTest, GracePeriods) {
  EXPECT_THAT(Found(kHead + "spec:\n  containers: [{name: web}]\n"),
              ElementsAre("a.yaml:4:1: Pod/a: terminationGracePeriodSeconds is not set: "
                          "requests that run at the end of the pod are cut after 28 s, as "
                          "Kubernetes gives it 30 s"));
  EXPECT_THAT(
      Found(Pod("  terminationGracePeriodSeconds: 6\n")),
      ElementsAre("a.yaml:6:34: Pod/a: terminationGracePeriodSeconds 6 is shorter than the "
                  "sidecar needs: listeners stay open for 5 s (shutdown.delay), and 2 s are "
                  "for the end"));
  EXPECT_THAT(Found(Pod("  terminationGracePeriodSeconds: 7\n")), IsEmpty());
}

TEST(InjectCheckTest, PortsThatAreTaken) {
  EXPECT_THAT(
      Found(Pod("  initContainers:\n  - {name: a, ports: [{containerPort: 3003}]}\n"
                "  - {name: b, ports: [{containerPort: 80, hostPort: 3002}, {containerPort: "
                "3000}]}\n")),
      ElementsAre(
          "a.yaml:8:53: Pod/a: container b has the hostPort 3002, on which the sidecar "
          "listens",
          "a.yaml:8:76: Pod/a: container b has the containerPort 3000, on which the sidecar "
          "listens"));
  EXPECT_THAT(
      Found(Pod("  initContainers:\n  - {name: a, ports: [{containerPort: 3003}]}\n"
                "  serviceAccountName: a\n"),
            {.flags = {.discover = "api"}}),
      ElementsAre("a.yaml:7:39: Pod/a: container a has the containerPort 3003, on which the "
                  "sidecar listens"));
}

TEST(InjectCheckTest, TheNetworkOfTheNode) {
  EXPECT_THAT(
      Found(Pod("  hostNetwork: true\n")),
      ElementsAre("a.yaml:6:16: Pod/a: hostNetwork: the ports 3000, 3002 would be opened on "
                  "the node, where anybody reaches them and a second such pod finds them "
                  "taken"));
  EXPECT_THAT(Found(Pod("  hostNetwork: false\n")), IsEmpty());
}

TEST(InjectCheckTest, RestartPolicies) {
  EXPECT_THAT(Found(Workload("Job", "batch/v1", "")),
              ElementsAre("a.yaml:6:5: Job/a: restartPolicy is not set, and a Job may not have the "
                          "default, Always"));
  EXPECT_THAT(Found(Workload("Job", "batch/v1", "      restartPolicy: Always\n")),
              ElementsAre("a.yaml:9:22: Job/a: restartPolicy Always is not for Jobs"));
  EXPECT_THAT(Found(Workload("DaemonSet", "apps/v1", "      restartPolicy: Never\n")),
              ElementsAre("a.yaml:9:22: DaemonSet/a: restartPolicy Never is not for a DaemonSet"));
  EXPECT_THAT(Found(Pod("  restartPolicy: Never\n")), IsEmpty());
}

TEST(InjectCheckTest, SecurityContextsOfThePod) {
  const std::string root =
      "Pod/a: the pod's securityContext makes it run as root: the sidecar runs as 65532 all the "
      "same, but a namespace that enforces `restricted` refuses the pod";
  EXPECT_THAT(Found(Pod("  securityContext: {runAsUser: 0}\n")),
              ElementsAre("a.yaml:6:32: " + root));
  EXPECT_THAT(Found(Pod("  securityContext: {runAsNonRoot: false, runAsUser: 0}\n")),
              ElementsAre("a.yaml:6:35: " + root));
  EXPECT_THAT(Found(Pod("  securityContext: {seccompProfile: {type: Unconfined}}\n")),
              ElementsAre("a.yaml:6:37: Pod/a: the pod's seccompProfile is Unconfined: a namespace "
                          "that enforces `restricted` refuses the pod"));
  EXPECT_THAT(Found(Pod("  securityContext: {runAsUser: 1000, fsGroup: 0}\n")), IsEmpty());
}

TEST(InjectCheckTest, PodsForWindows) {
  EXPECT_THAT(Found(Pod("  os: {name: windows}\n")),
              ElementsAre("a.yaml:6:7: Pod/a: the pod is for Windows, the sidecar for Linux"));
  EXPECT_THAT(Found(Pod("  nodeSelector: {kubernetes.io/os: windows}\n")),
              ElementsAre("a.yaml:6:17: Pod/a: the pod is for Windows, the sidecar for Linux"));
  EXPECT_THAT(Found(Pod("  os: {name: linux}\n")), IsEmpty());
}

TEST(InjectCheckTest, WhereItsServersComeFrom) {
  EXPECT_THAT(Found(Pod(""), {}),
              ElementsAre("a.yaml:4:1: Pod/a: the sidecar would know no servers"));
  EXPECT_THAT(Found(Pod(""), {.flags = {.discover = "api"}}),
              ElementsAre("a.yaml:4:1: Pod/a: the default service account may not watch "
                          "endpointslices"));
  EXPECT_THAT(Found(Pod("  serviceAccountName: web\n"), {.flags = {.discover = "api"}}), IsEmpty());
}

TEST(InjectCheckTest, NamesThatClash) {
  EXPECT_THAT(Found(Pod("  volumes: [{name: remora-config}]\n")),
              ElementsAre("a.yaml:6:13: Pod/a: a volume has the name remora-config of one that the "
                          "sidecar needs"));
}

TEST(InjectCheckTest, TheVersionOfTheCluster) {
  EXPECT_THAT(Found(Pod(""), {.flags = kFlags, .cluster = KubernetesVersion{1, 28}}),
              ElementsAre("a.yaml:4:1: Pod/a: Kubernetes 1.28 has no native sidecars, which came "
                          "with 1.29"));
  EXPECT_THAT(Found(Pod(""), {.flags = kFlags, .cluster = KubernetesVersion{1, 29}}), IsEmpty());
}

TEST(InjectCheckTest, WhatIsDisabledIsNotLookedAt) {
  EXPECT_THAT(Found(Pod("  hostNetwork: true\n"), {.flags = {.inject = "disabled"}}), IsEmpty());
}

TEST(InjectCheckTest, AliasesAreFollowed) {
  EXPECT_THAT(Found("x: &ports [{containerPort: 3000}]\n" +
                    Pod("  initContainers:\n  - &one {name: one, ports: *ports}\n"
                        "  - {<<: *one, name: two}\n")),
              ElementsAre("a.yaml:1:28: Pod/a: container one has the containerPort 3000, on which "
                          "the sidecar listens",
                          "a.yaml:1:28: Pod/a: container two has the containerPort 3000, on which "
                          "the sidecar listens"));
}

TEST(KubernetesVersionTest, IsReadAsClustersSayIt) {
  const KubernetesVersion expected{1, 28};
  for (const char* text : {"1.28", "v1.28", "1.28.3", "v1.28.3-eks-1", "1.28+"}) {
    EXPECT_EQ(ParseKubernetesVersion(text), expected) << text;
  }
  for (const char* text : {"", "1", "1.", "v", "latest", "1.x", "1.28x", "-1.28", "0.9"}) {
    EXPECT_EQ(ParseKubernetesVersion(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace remora::cli::inject
