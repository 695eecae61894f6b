// A piece of YAML: what a file says, with the place where it says it, or what is to be written.
// Values only, no threads, no lifetime rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remora::cli::inject {

// A template, so that a node may hold entries of nodes.
template <class Node>
struct Entry {
  Node key;
  Node value;
};

struct YamlNode {
  enum class Kind : std::uint8_t { kNull, kScalar, kSequence, kMap, kAlias };
  Kind kind = Kind::kNull;
  std::string value = {};  // of a scalar; of a null the word for it, empty where nothing is written
  bool quoted = false;     // a text, whatever it looks like
  bool flow = false;       // [a, b] and {a: b}
  bool tagged = false;
  std::size_t anchor = 0;  // its own, or the one that an alias names; 0: none
  // Where it begins: at its anchor or tag if it has one. Without meaning where nothing is written.
  std::size_t offset = 0;
  std::vector<YamlNode> items = {};           // of a sequence
  std::vector<Entry<YamlNode>> entries = {};  // of a map, as they are written
};

using YamlEntry = Entry<YamlNode>;

YamlNode Text(std::string value);
YamlNode Plain(std::string value);  // a number or a truth value
YamlNode List(std::vector<YamlNode> items);
YamlNode Map(std::vector<std::pair<std::string, YamlNode>> entries);

bool IsEmpty(const YamlNode& node);  // null, [] or {}

// Readers take the word, unquoted, for something else than a text: 30, true, null.
bool LooksTyped(std::string_view word);

// The same data, however it is written; maps in any order.
bool SameData(const YamlNode& a, const YamlNode& b);

// The entry as it is written in this very map, or nullptr.
const YamlEntry* FindEntry(const YamlNode& map, std::string_view key);

// The scalar `name` of an item of a list of named things; empty where it has none.
std::string_view NameOfItem(const YamlNode& item);

}  // namespace remora::cli::inject
