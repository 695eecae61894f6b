// The sidecar that `inject` adds is the one that deploy/kubernetes shows.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inject/inject.h"
#include "cli/inject/source.h"
#include "cli/inject/workload.h"
#include "cli/inject/yaml_document.h"

namespace remora::cli::inject {
namespace {

// The pod spec of the only workload of a text. Nothing of the document is needed by it.
YamlNode PodSpecOf(const std::string& text) {
  const Source source(text, "text");
  const auto documents = ParseYaml(text, "text");
  EXPECT_TRUE(documents);
  const YamlEntry* entry = nullptr;
  const YamlNode* node = &documents->front().root();
  for (const char* key : {"spec", "template", "spec"}) {
    entry = FindEntry(*node, key);
    if (entry == nullptr) return {};
    node = &entry->value;
  }
  return *node;
}

YamlNode Component(const std::string& file) {
  const auto path =
      std::filesystem::path(REMORA_SOURCE_DIR) / "deploy/kubernetes/components" / file;
  std::ifstream input(path);
  EXPECT_TRUE(input) << "no " << path;
  return PodSpecOf({std::istreambuf_iterator<char>(input), {}});
}

YamlNode Injected(const SidecarOptions& flags) {
  const auto changed = ChangeText(
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n"
      "      terminationGracePeriodSeconds: 30\n      containers: [{name: a}]\n",
      "text", {.flags = flags});
  EXPECT_TRUE(changed);
  return changed ? PodSpecOf(changed->text) : YamlNode();
}

const YamlNode& Item(const YamlNode& spec, const char* list, std::string_view name) {
  static const YamlNode kNone;
  const YamlEntry* entry = FindEntry(spec, list);
  if (entry == nullptr) return kNone;
  const auto found = std::ranges::find(entry->value.items, name, NameOfItem);
  return found == entry->value.items.end() ? kNone : *found;
}

void ExpectSameItem(const YamlNode& a, const YamlNode& b, const char* list, const char* name) {
  const YamlNode& one = Item(a, list, name);
  const YamlNode& other = Item(b, list, name);
  ASSERT_EQ(one.kind, YamlNode::Kind::kMap) << name;
  ASSERT_EQ(other.kind, YamlNode::Kind::kMap) << name;
  EXPECT_EQ(one.entries.size(), other.entries.size()) << name;
  for (const auto& [key, value] : one.entries) {
    const YamlEntry* entry = FindEntry(other, key.value);
    ASSERT_NE(entry, nullptr) << name << " has no " << key.value;
    EXPECT_TRUE(SameData(value, entry->value)) << name << ": " << key.value << " differs";
  }
}

TEST(InjectManifestsTest, TheSidecarIsThatOfTheComponent) {
  const YamlNode shown = Component("sidecar/sidecar.yaml");
  const YamlNode injected = Injected({.config = "remora-config"});
  ExpectSameItem(injected, shown, "initContainers", "remora");
  ExpectSameItem(injected, shown, "volumes", "remora-config");
  ExpectSameItem(injected, shown, "volumes", "remora-run");
}

// Kustomize takes the Service from an annotation through the environment, `inject` writes it down.
void WriteDownTheService(YamlNode& container, const std::string& service) {
  for (auto& [key, value] : container.entries) {
    if (key.value == "env")
      std::erase_if(value.items,
                    [](const YamlNode& variable) { return NameOfItem(variable) == "SERVICE"; });
    if (key.value != "args") continue;
    for (YamlNode& argument : value.items) {
      constexpr std::string_view kVariable = "$(SERVICE)";
      const std::size_t at = argument.value.find(kVariable);
      if (at != std::string::npos) argument.value.replace(at, kVariable.size(), service);
    }
  }
}

// YAML 1.1, which Kubernetes reads, has octal numbers.
void WriteModesInDecimal(YamlNode& node) {
  if (node.value == "0444") node.value = "292";
  for (YamlNode& item : node.items) WriteModesInDecimal(item);
  for (auto& [key, value] : node.entries) WriteModesInDecimal(value);
}

TEST(InjectManifestsTest, DiscoveryIsThatOfTheComponent) {
  YamlNode shown = Component("discover/discover.yaml");
  WriteModesInDecimal(shown);
  for (auto& [key, value] : shown.entries) {
    if (key.value == "initContainers") WriteDownTheService(value.items.front(), "backend:http");
  }
  const YamlNode injected = Injected({.discover = "backend:http"});
  ExpectSameItem(injected, shown, "initContainers", "remora-discover");
  ExpectSameItem(injected, shown, "volumes", "remora-token");
}

}  // namespace
}  // namespace remora::cli::inject
