#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "cli/inject/inject.h"
#include "cli/inject/options.h"
#include "cli/inject/sidecar.h"
#include "cli/inject/source.h"
#include "cli/inject/workload.h"
#include "cli/inject/yaml_document.h"

namespace remora::cli::inject {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string Deployment(const std::string& annotations) {
  return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n"
         "    metadata:\n      annotations:\n        example.org/a: b\n" +
         annotations + "    spec:\n      containers: [{name: web}]\n";
}

Reply<SidecarOptions> Options(const std::string& text, const SidecarOptions& flags = {}) {
  const Source source(text, "a.yaml");
  const auto documents = ParseYaml(text, "a.yaml");
  const auto workloads = FindWorkloads(*documents, source);
  return ReadOptions(workloads->front(), flags, source);
}

// "place: what", one for each fault.
std::vector<std::string> Faults(const std::string& text, const SidecarOptions& flags = {}) {
  const auto options = Options(text, flags);
  if (options) return {};
  std::vector<std::string> faults;
  for (const auto& [field, description] : options.error().violations) {
    faults.push_back(field + ": " + description);
  }
  return faults;
}

TEST(InjectOptionsTest, DefaultsStandWhereNothingIsSaid) {
  const auto options = Options(Deployment(""));
  ASSERT_TRUE(options);
  EXPECT_EQ(options->direction, "outbound");
  EXPECT_EQ(options->image, DefaultOptions().image);
  EXPECT_EQ(options->config, "");
}

TEST(InjectOptionsTest, FlagsWinOverAnnotations) {
  const std::string text = Deployment(
      "        remora.dev/config: from-annotation\n        remora.dev/memory-limit: 1Gi\n");
  const auto options = Options(text, {.config = "from-flag"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->config, "from-flag");
  EXPECT_EQ(options->memory_limit, "1Gi");
}

TEST(InjectOptionsTest, AnUnknownAnnotationHasItsNearestName) {
  EXPECT_THAT(
      Faults(Deployment("        remora.dev/confg: web\n        remora.dev/Direction: x\n")),
      ElementsAre("a.yaml:9:9: unknown annotation remora.dev/confg; did you mean "
                  "remora.dev/config?",
                  "a.yaml:10:9: unknown annotation remora.dev/Direction; did you mean "
                  "remora.dev/direction?"));
  EXPECT_THAT(Faults(Deployment("        remora.dev/sidecar-mode: x\n")),
              ElementsAre("a.yaml:9:9: unknown annotation remora.dev/sidecar-mode; there are "
                          "inject, direction, config, image, discover, cpu-request, cpu-limit, "
                          "memory-request, memory-limit"));
}

TEST(InjectOptionsTest, AnAnnotationBesideThePodTemplateIsAFault) {
  EXPECT_THAT(
      Faults("apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: a\n  annotations:\n"
             "    remora.dev/inject: disabled\nspec: {jobTemplate: {spec: {template: {spec: "
             "{containers: [{name: a}]}}}}}\n"),
      ElementsAre("a.yaml:6:5: remora.dev/inject has no effect here: move it to the "
                  "annotations of the pod template, "
                  "spec.jobTemplate.spec.template.metadata.annotations"));
}

TEST(InjectOptionsTest, ValuesThatAreNotAllowed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"inject: true", "an annotation is a text: put its value in quotes"},
      {"inject: \"true\"", "'true' must be \"enabled\" or \"disabled\""},
      {"direction: both", "'both' must be \"outbound\" or \"inbound\""},
      {"config: Web_1", "'Web_1' is not the name of a ConfigMap"},
      {"config: -web", "'-web' is not the name of a ConfigMap"},
      {"config: a..b", "'a..b' is not the name of a ConfigMap"},
      {"image: \"a b\"", "'a b' is not the name of an image"},
      {"image: \"\"", "'' is not the name of an image"},
      {"discover: a/b/c",
       "'a/b/c' is not a Service: write service, namespace/service or "
       "service:port"},
      {"discover: /b", "'/b' is not a Service: write service, namespace/service or service:port"},
      {"cpu-request: 100", "an annotation is a text: put its value in quotes"},
      {"cpu-request: 100x", "'100x' is not a quantity: write for example 100m, 64Mi, or none"},
      {"memory-limit: -1Mi", "'-1Mi' is not a quantity: write for example 100m, 64Mi, or none"},
      {"memory-limit: 0Mi", "'0Mi' is not a quantity: write for example 100m, 64Mi, or none"},
  };
  for (const auto& [line, problem] : cases) {
    EXPECT_THAT(
        Faults(Deployment("        remora.dev/" + line + "\n")),
        ElementsAre("a.yaml:9:9: remora.dev/" + line.substr(0, line.find(':')) + ": " + problem));
  }
}

TEST(InjectOptionsTest, ValuesThatAreAllowed) {
  for (const char* line :
       {"discover: api", "discover: api:http", "discover: shop/api", "discover: shop/api:8080",
        "image: registry.example:5000/remora@sha256:00", "cpu-limit: none", "cpu-limit: \"0.5\"",
        "memory-limit: 1Gi", "config: a.b-c", "inject: enabled"}) {
    EXPECT_THAT(Faults(Deployment("        remora.dev/" + std::string(line) + "\n")), IsEmpty())
        << line;
  }
}

TEST(InjectOptionsTest, WhatContradictsItself) {
  EXPECT_THAT(Faults(Deployment(""), {.memory_request = "1Gi"}),
              ElementsAre("a.yaml:9:5: memory-request 1Gi is more than memory-limit 128Mi"));
  EXPECT_THAT(Faults(Deployment(""), {.cpu_request = "200m", .cpu_limit = "0.1"}),
              ElementsAre("a.yaml:9:5: cpu-request 200m is more than cpu-limit 0.1"));
  EXPECT_THAT(Faults(Deployment(""), {.memory_request = "1Gi", .memory_limit = "none"}), IsEmpty());
  EXPECT_THAT(Faults(Deployment(""), {.direction = "inbound"}),
              ElementsAre("a.yaml:9:5: direction inbound needs config: the name of a ConfigMap "
                          "whose config.yaml has a listener with `direction: inbound`, and the "
                          "application as its server"));
}

TEST(InjectOptionsTest, NothingIsWrittenForAllWhenOneHasAFault) {
  const auto changed =
      ChangeText(Deployment("") + "---\n" + Deployment("        remora.dev/x: y\n"), "a.yaml", {});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().exit, ExitCode::kUsage);
  EXPECT_EQ(changed.error().message,
            "the options of Deployment/web are not as they must be; nothing was written:");
  EXPECT_EQ(changed.error().hint, "`remoractl inject --help` names them all");
}

TEST(InjectOptionsTest, ADisabledWorkloadIsLeftAlone) {
  const std::string text = Deployment("        remora.dev/inject: disabled\n");
  const auto changed = ChangeText(text, "a.yaml", {});
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->text, text);
  EXPECT_THAT(changed->remarks,
              ElementsAre("Deployment/web: left alone, as remora.dev/inject is \"disabled\""));
}

TEST(InjectOptionsTest, ResourcesThatAreNoneAreNotWritten) {
  const auto changed = ChangeText(Deployment(""), "a.yaml",
                                  {.flags = {.cpu_request = "none",
                                             .cpu_limit = "none",
                                             .memory_request = "none",
                                             .memory_limit = "none"}});
  ASSERT_TRUE(changed);
  EXPECT_THAT(changed->text, AllOf(HasSubstr("resources: {}"), Not(HasSubstr("limits:"))));
}

}  // namespace
}  // namespace remora::cli::inject
