#include "cli/inject/render.h"

#include <algorithm>

namespace remora::cli::inject {
namespace {

using enum YamlNode::Kind;

// Where it stands alone, every reader takes it for this text.
bool NeedsNoQuotes(std::string_view text) {
  if (LooksTyped(text) || text.ends_with(':')) return false;
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:=@+").contains(c);
  };
  if (text.front() == '-' && !text.starts_with("--")) return false;
  return !std::string_view(":=@").contains(text.front()) && std::ranges::all_of(text, is_good);
}

std::string InQuotes(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string ScalarText(const YamlNode& scalar, bool always_quoted) {
  const bool bare = !scalar.quoted || (!always_quoted && NeedsNoQuotes(scalar.value));
  return bare ? scalar.value : InQuotes(scalar.value);
}

std::string Spaces(std::size_t count) { return std::string(count, ' '); }

std::string BlockMap(const YamlNode& map, std::size_t column, const BlockStyle& style) {
  std::string text;
  for (const auto& [key, value] : map.entries) {
    text += BlockEntry(key.value, value, column, style);
  }
  return text;
}

bool IsLeaf(const YamlNode& node) { return node.kind == kScalar || IsEmpty(node); }

std::string Leaf(const YamlNode& node) {
  if (node.kind == kSequence) return "[]";
  if (node.kind == kMap) return "{}";
  return ScalarText(node, /*always_quoted=*/false);
}

}  // namespace

BlockStyle StyleOf(const Source& source, const YamlEntry& spec) {
  BlockStyle style;
  if (spec.value.flow || spec.value.entries.empty()) return style;
  const std::size_t outer = source.Column(spec.key.offset);
  const std::size_t column = source.Column(spec.value.entries.front().key.offset);
  if (column > outer) style.step = column - outer;
  const YamlEntry* containers = FindEntry(spec.value, "containers");
  if (containers == nullptr || containers->value.flow || containers->value.items.empty() ||
      containers->value.anchor != 0 || containers->value.tagged) {
    return style;
  }
  const YamlNode& list = containers->value;
  const YamlNode& first = list.items.front();
  const std::size_t dash = source.Column(list.offset);
  if (dash >= column) style.list_indent = dash - column;
  if (first.kind == kMap && !first.flow && source.OnOneLine(first.offset, list.offset)) {
    style.dash_width = source.Column(first.offset) - dash;
  }
  return style;
}

std::string BlockEntry(std::string_view key, const YamlNode& value, std::size_t column,
                       const BlockStyle& style) {
  const std::string start = Spaces(column) + ScalarText(Text(std::string(key)), false) + ":";
  if (IsLeaf(value)) return start + " " + Leaf(value) + "\n";
  if (value.kind == kMap) return start + "\n" + BlockMap(value, column + style.step, style);
  return start + "\n" + BlockItems(value.items, column + style.list_indent, style);
}

std::string BlockItems(const std::vector<YamlNode>& items, std::size_t column,
                       const BlockStyle& style) {
  std::string text;
  for (const YamlNode& item : items) {
    if (IsLeaf(item)) {
      text += Spaces(column) + "-" + Spaces(style.dash_width - 1) + Leaf(item) + "\n";
      continue;
    }
    const std::size_t inner = column + style.dash_width;
    std::string lines =
        item.kind == kMap ? BlockMap(item, inner, style) : BlockItems(item.items, inner, style);
    lines[column] = '-';
    text += lines;
  }
  return text;
}

FlowStyle StyleOf(const Source& source, const YamlNode& collection) {
  FlowStyle style;
  std::size_t first = collection.offset;
  if (!collection.items.empty()) first = collection.items.front().offset;
  if (!collection.entries.empty()) first = collection.entries.front().key.offset;
  const std::string_view outer = source.Indentation(collection.offset);
  std::string_view inner = source.Indentation(first);
  style.lines = !source.OnOneLine(collection.offset, first);
  if (!style.lines) return style;
  style.indentation = inner;
  if (inner.starts_with(outer)) inner.remove_prefix(outer.size());
  style.step = inner.empty() ? "  " : inner;
  return style;
}

std::string FlowValue(const YamlNode& value, const FlowStyle& style) {
  if (value.kind == kScalar) return ScalarText(value, /*always_quoted=*/true);
  const bool is_map = value.kind == kMap;
  const FlowStyle below = style.Below();
  std::string inside;
  const auto add = [&](const std::string& one) {
    inside += (inside.empty() ? "" : FlowComma(below)) + one;
  };
  for (const YamlNode& item : value.items) add(FlowValue(item, below));
  for (const auto& [key, one] : value.entries) add(FlowEntry(key.value, one, below));
  if (style.lines && !inside.empty()) {
    inside = "\n" + below.indentation + inside + "\n" + style.indentation;
  }
  return (is_map ? "{" : "[") + inside + (is_map ? "}" : "]");
}

std::string FlowEntry(std::string_view key, const YamlNode& value, const FlowStyle& style) {
  return InQuotes(key) + ": " + FlowValue(value, style);
}

std::string FlowComma(const FlowStyle& style) {
  return style.lines ? ",\n" + style.indentation : ", ";
}

}  // namespace remora::cli::inject
