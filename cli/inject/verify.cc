#include "cli/inject/verify.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "cli/inject/sidecar.h"
#include "cli/inject/yaml_node.h"

namespace remora::cli::inject {
namespace {

using enum YamlNode::Kind;

YamlNode* FindValue(YamlNode& map, std::string_view key) {
  const auto found = std::ranges::find_if(
      map.entries, [&](const YamlEntry& entry) { return entry.key.value == key; });
  return found == map.entries.end() ? nullptr : &found->value;
}

std::string_view ScalarAt(const YamlNode& map, std::string_view key) {
  const YamlEntry* entry = FindEntry(map, key);
  return entry == nullptr ? std::string_view() : entry->value.value;
}

void StripList(YamlNode& spec, std::string_view key, std::span<const std::string_view> ours) {
  YamlNode* list = FindValue(spec, key);
  if (list == nullptr || list->kind == kAlias) return;
  std::erase_if(list->items, [&](const YamlNode& item) {
    return std::ranges::find(ours, NameOfItem(item)) != ours.end();
  });
  if (!IsEmpty(*list)) return;
  std::erase_if(spec.entries, [&](const YamlEntry& entry) { return entry.key.value == key; });
}

void Strip(YamlNode& object) {
  const std::string_view kind = ScalarAt(object, "kind");
  const std::string_view version = ScalarAt(object, "apiVersion");
  if (kind == "List" && version == "v1") {
    if (YamlNode* items = FindValue(object, "items")) std::ranges::for_each(items->items, Strip);
    return;
  }
  const std::vector<std::string_view>* path = PathToPod(kind, version);
  if (path == nullptr) return;
  YamlNode* node = &object;
  for (const std::string_view key : *path) {
    node = FindValue(*node, key);
    if (node == nullptr) return;
  }
  YamlNode* spec = FindValue(*node, "spec");
  if (spec == nullptr) return;
  StripList(*spec, "initContainers", kContainerNames);
  StripList(*spec, "volumes", kVolumeNames);
}

YamlNode Stripped(const YamlDocument& document) {
  YamlNode root = document.root();
  Strip(root);
  return root;
}

}  // namespace

bool HasSidecar(const Workload& workload) {
  const YamlEntry* list = FindEntry(workload.pod_spec(), "initContainers");
  return list != nullptr &&
         std::ranges::find(list->value.items, kSidecarName, NameOfItem) != list->value.items.end();
}

bool SameButForSidecar(const std::vector<YamlDocument>& before,
                       const std::vector<YamlDocument>& after) {
  return std::ranges::equal(before, after, [](const YamlDocument& a, const YamlDocument& b) {
    return SameData(Stripped(a), Stripped(b));
  });
}

}  // namespace remora::cli::inject
