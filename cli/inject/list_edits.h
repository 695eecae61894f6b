// Makes one list of a map (`initContainers` of a pod spec) have certain named items, and leaves
// everything else in the text as it is. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cli/inject/edit.h"
#include "cli/inject/render.h"
#include "cli/inject/source.h"
#include "cli/inject/yaml_node.h"

namespace remora::cli::inject {

struct ListGoal {
  std::string_view key = {};
  std::vector<YamlNode> items = {};             // what there should be of ours, in this order
  std::span<const std::string_view> ours = {};  // names of items that go where `items` has none
  enum class Place : std::uint8_t { kFront, kBack } place = Place::kBack;  // of new items
  std::string_view before = {};  // a new list goes before this key, otherwise to the end of the map
};

// `map` is written out (no alias), and its list, if it has one, too. The edits have "\n" as their
// line breaks.
std::vector<Edit> EditsFor(const ListGoal& goal, const YamlNode& map, const Source& source,
                           const BlockStyle& style);

}  // namespace remora::cli::inject
