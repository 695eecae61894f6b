#include "cli/inject/yaml_node.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

namespace remora::cli::inject {
namespace {

using enum YamlNode::Kind;

bool IsNumber(std::string_view word) {
  if (word.starts_with('+') || word.starts_with('-')) word.remove_prefix(1);
  if (word.empty()) return false;
  // What else can begin like this is quoted or compared too strictly, which does no harm.
  if (word.starts_with("0x") || word.starts_with("0o") || word.starts_with("0b")) return true;
  double number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error != std::errc::invalid_argument && end == word.data() + word.size();
}

bool IsText(const YamlNode& scalar) { return scalar.quoted || !LooksTyped(scalar.value); }

}  // namespace

YamlNode Text(std::string value) {
  return {.kind = kScalar, .value = std::move(value), .quoted = true};
}

YamlNode Plain(std::string value) { return {.kind = kScalar, .value = std::move(value)}; }

YamlNode List(std::vector<YamlNode> items) {
  return {.kind = kSequence, .flow = items.empty(), .items = std::move(items)};
}

YamlNode Map(std::vector<std::pair<std::string, YamlNode>> entries) {
  YamlNode map{.kind = kMap, .flow = entries.empty()};
  for (auto& [key, value] : entries) {
    map.entries.push_back({.key = Text(std::move(key)), .value = std::move(value)});
  }
  return map;
}

bool IsEmpty(const YamlNode& node) {
  if (node.kind == kSequence) return node.items.empty();
  if (node.kind == kMap) return node.entries.empty();
  return node.kind == kNull;
}

bool LooksTyped(std::string_view word) {
  constexpr std::array<std::string_view, 10> kWords = {"true", "false", "yes", "no", "on",
                                                       "off",  "null",  "y",   "n",  "~"};
  if (word.empty() || IsNumber(word)) return true;
  return std::ranges::any_of(kWords, [&](std::string_view known) {
    return std::ranges::equal(known, word, [](char a, char b) {
      return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
    });
  });
}

bool SameData(const YamlNode& a, const YamlNode& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case kNull:
      return true;
    case kScalar:
      return a.value == b.value && IsText(a) == IsText(b);
    case kAlias:
      return a.anchor == b.anchor;
    case kSequence:
      return std::ranges::equal(a.items, b.items, SameData);
    case kMap:
      return a.entries.size() == b.entries.size() &&
             std::ranges::all_of(a.entries, [&](const YamlEntry& entry) {
               const YamlEntry* other = FindEntry(b, entry.key.value);
               return other != nullptr && SameData(entry.value, other->value);
             });
  }
  return false;
}

const YamlEntry* FindEntry(const YamlNode& map, std::string_view key) {
  const auto found = std::ranges::find_if(
      map.entries, [&](const YamlEntry& entry) { return entry.key.value == key; });
  return found == map.entries.end() ? nullptr : &*found;
}

std::string_view NameOfItem(const YamlNode& item) {
  const YamlEntry* name = FindEntry(item, "name");
  return name == nullptr || name->value.kind != kScalar ? std::string_view() : name->value.value;
}

}  // namespace remora::cli::inject
