// New YAML in the style of the text around it. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inject/source.h"
#include "cli/inject/yaml_node.h"

namespace remora::cli::inject {

// How a document in block style is indented.
struct BlockStyle {
  std::size_t step = 2;         // of a map below its key
  std::size_t list_indent = 0;  // of the dash below the key of its list
  std::size_t dash_width = 2;   // from the dash to what follows it
};

// As the pod spec and the list of its containers are written. `spec` is the entry of the pod spec.
BlockStyle StyleOf(const Source& source, const YamlEntry& spec);

// Lines with "\n" as their breaks and at their end. `column` is that of the key or of the dash.
std::string BlockEntry(std::string_view key, const YamlNode& value, std::size_t column,
                       const BlockStyle& style);
std::string BlockItems(const std::vector<YamlNode>& items, std::size_t column,
                       const BlockStyle& style);

// How JSON is laid out: on one line, or each entry on a line of its own.
struct FlowStyle {
  bool lines = false;
  std::string indentation = {};  // of the line on which an entry begins
  std::string step = {};

  FlowStyle Below() const { return {lines, indentation + step, step}; }
};

// As the entries of a collection in flow style are laid out.
FlowStyle StyleOf(const Source& source, const YamlNode& collection);

// JSON, which YAML takes in flow style. What it begins with stands on the line of the caller.
std::string FlowValue(const YamlNode& value, const FlowStyle& style);
std::string FlowEntry(std::string_view key, const YamlNode& value, const FlowStyle& style);
// Between two entries.
std::string FlowComma(const FlowStyle& style);

}  // namespace remora::cli::inject
