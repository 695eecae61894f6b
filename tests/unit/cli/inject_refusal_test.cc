// What `inject` does not take, with the exact words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cli/inject/inject.h"

namespace remora::cli::inject {
namespace {

using testing::HasSubstr;

// A message as it is shown: its places and its hint behind it.
std::string Refusal(const std::string& text, const Request& request = {}) {
  const auto changed = ChangeText(text, "a.yaml", request);
  if (changed) return "not refused:\n" + changed->text;
  std::string shown = changed.error().message + "\n";
  for (const FieldViolation& violation : changed.error().violations) {
    shown += violation.field + ": " + violation.description + "\n";
  }
  return shown + changed.error().hint;
}

const std::string kNotYaml = "this can't be read as YAML; nothing was written:\n";
const std::string kNoWorkload = "a workload is not as it must be; nothing was written:\n";
const std::string kHead = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
const std::string kContainers = "  containers: [{name: web, image: web}]\n";

TEST(InjectRefusalTest, TabsAreNamed) {
  EXPECT_EQ(Refusal("a:\n\tb: 1\n"),
            kNotYaml + "a.yaml:2:1: a tab in the indentation: YAML takes only spaces there\n" +
                "replace the tabs, for example with `expand -t 2`");
  EXPECT_THAT(Refusal("a:\n  b: 1\n \tc: 1\n"), HasSubstr("a.yaml:3:1: a tab in the indentation"));
}

TEST(InjectRefusalTest, TemplatesAreRenderedFirst) {
  EXPECT_EQ(Refusal("kind: Pod\nmetadata:\n  name: {{ .Values.name }}\n"),
            kNotYaml + "a.yaml:3:10: a key that is a list or a map: is it a template?\n" +
                "render it first: helm template CHART | remoractl inject -f -");
  EXPECT_THAT(Refusal("{{- if .Values.on }}\nkind: Pod\n{{- end }}\n"),
              HasSubstr("helm template CHART | remoractl inject -f -"));
}

TEST(InjectRefusalTest, WhatIsNoYamlHasItsPlace) {
  EXPECT_EQ(Refusal("a: [1, 2\nb: 3\n"),
            kNotYaml + "a.yaml:2:2: end of sequence flow not found\n" +
                "`kubectl apply --dry-run=client -f` reads it as strictly");
}

TEST(InjectRefusalTest, BytesThatAreNoText) {
  EXPECT_EQ(Refusal("a: b\nc: \xFF\n"),
            kNotYaml + "a.yaml:2:4: a byte that is not UTF-8\n" + "save the file as UTF-8");
  EXPECT_EQ(Refusal("a: \xC0\xAF"),
            kNotYaml + "a.yaml:1:4: a byte that is not UTF-8\n" + "save the file as UTF-8");
  EXPECT_EQ(Refusal("a: b\rc: d\n"), kNotYaml +
                                         "a.yaml:1:5: a carriage return without a line feed\n" +
                                         "end lines with \\n, or with \\r\\n");
  EXPECT_EQ(Refusal(std::string("a: \0b", 5)),
            kNotYaml + "a.yaml:1:4: a control character\n" + "YAML is text: take it out");
}

TEST(InjectRefusalTest, AWorkloadWithoutAPodOrContainers) {
  EXPECT_EQ(Refusal("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}\n"),
            kNoWorkload + "a.yaml:4:7: Deployment/a has no map spec.template\n" +
                "`kubectl explain Deployment` shows its form");
  EXPECT_EQ(Refusal(kHead + "spec: text\n"), kNoWorkload + "a.yaml:4:1: Pod/a has no map spec\n" +
                                                 "`kubectl explain Pod` shows its form");
  EXPECT_EQ(Refusal(kHead + "spec: {containers: []}\n"),
            kNoWorkload + "a.yaml:4:1: Pod/a has no containers\n" +
                "`kubectl apply --dry-run=server -f` says what else it lacks");
}

TEST(InjectRefusalTest, APodSpecBehindAnAlias) {
  EXPECT_EQ(Refusal("x: &pod {containers: [{name: web}]}\n" + kHead + "spec: *pod\n"),
            kNoWorkload + "a.yaml:5:1: Pod/a takes spec from an anchor\n" +
                "write it out, so that it can be changed for this workload alone");
  EXPECT_EQ(Refusal("x: &base {spec: {containers: [{name: web}]}}\n" + kHead + "<<: *base\n"),
            kNoWorkload + "a.yaml:1:1: Pod/a takes spec from an anchor\n" +
                "write it out, so that it can be changed for this workload alone");
  EXPECT_THAT(Refusal("apiVersion: v1\nkind: List\nx: &pod {}\nitems: [*pod]\n"),
              HasSubstr("a.yaml:4:9: an item of a List is an alias"));
}

TEST(InjectRefusalTest, WhatWouldChangeElsewhereToo) {
  const std::string hint =
      "write it out, without an anchor, so that it can be changed for this workload alone";
  const std::string refused = "Pod/a can't be changed; nothing was written:\n";
  EXPECT_EQ(Refusal(kHead + "spec: &pod\n" + kContainers + "x: *pod\n"),
            refused + "a.yaml:4:1: an alias elsewhere stands for what begins at a.yaml:4:7, and " +
                "would change with it\n" + hint);
  EXPECT_EQ(Refusal("x: &list [{name: one}]\n" + kHead + "spec:\n" + kContainers +
                    "  initContainers: *list\n"),
            refused + "a.yaml:7:3: initContainers is an alias\n" + hint);
  EXPECT_EQ(Refusal("x: &more {volumes: [{name: one}]}\n" + kHead + "spec:\n" + kContainers +
                    "  <<: *more\n"),
            refused + "a.yaml:5:1: volumes comes from a merged map (<<)\n" + hint);
  EXPECT_EQ(Refusal(kHead + "spec:\n" + kContainers + "  volumes: &v\n  - name: one\n"),
            refused + "a.yaml:6:3: volumes has an anchor or a tag\n" + hint);
  EXPECT_EQ(Refusal(kHead + "spec:\n" + kContainers + "  volumes: none\n"),
            refused + "a.yaml:6:3: volumes is no list\n" + hint);
}

TEST(InjectRefusalTest, NamesThatSomethingElseHas) {
  EXPECT_EQ(
      Refusal(kHead + "spec:\n  containers:\n  - name: remora\n  volumes:\n"
                      "  - name: remora-run\n"),
      "Pod/a can't be changed; nothing was written:\n"
      "a.yaml:6:5: Pod/a: a container has the name remora of the sidecar: give the container "
      "another name\n"
      "a.yaml:8:5: Pod/a: a volume has the name remora-run of one that the sidecar needs: give "
      "the volume another name, here and in the volumeMounts\n"
      "`remoractl inject --check` finds more of the kind");
  EXPECT_THAT(Refusal(kHead + "spec:\n" + kContainers + "  initContainers: [{name: remora}]\n"),
              HasSubstr("a.yaml:6:20: Pod/a: an init container has the name remora of the sidecar: "
                        "give it another name; if it is the sidecar, it lacks `restartPolicy: "
                        "Always`\n"));
}

TEST(InjectRefusalTest, ClustersWithoutNativeSidecars) {
  EXPECT_EQ(Refusal(kHead + "spec:\n" + kContainers, {.cluster = KubernetesVersion{1, 28}}),
            "Kubernetes 1.28 has no native sidecars, which came with 1.29\n"
            "start the application by `remoractl exec -- command`, as in "
            "deploy/kubernetes/overlays/exec");
  EXPECT_TRUE(
      ChangeText(kHead + "spec:\n" + kContainers, "a.yaml", {.cluster = KubernetesVersion{1, 29}}));
}

TEST(InjectRefusalTest, NothingIsRemovedThatIsOfOthers) {
  const std::string text = kHead + "spec:\n" + kContainers +
                           "  initContainers: [{name: remora}]\n  volumes: [{name: remora-run}]\n";
  const auto removed = ChangeText(text, "a.yaml", {.remove = true});
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->text, text);
  EXPECT_THAT(removed->remarks, testing::ElementsAre("Pod/a: has no sidecar"));
}

TEST(InjectRefusalTest, AByteOrderMarkStaysAndCountsForNoPlace) {
  const std::string mark = "\xEF\xBB\xBF";
  const auto changed = ChangeText(mark + kHead + "spec:\n" + kContainers, "a.yaml", {});
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_TRUE(changed->text.starts_with(mark + kHead));
  EXPECT_THAT(Refusal(mark + "a: b: c\n"), HasSubstr("a.yaml:1:5: "));
}

}  // namespace
}  // namespace remora::cli::inject
