// YAML as it is written: the documents of a text, with the offset of every node, and look-ups that
// follow aliases and merged maps. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"
#include "cli/inject/yaml_node.h"

namespace remora::cli::inject {

// Nodes stay where they are for as long as the document lives, also when it is moved.
class YamlDocument {
 public:
  explicit YamlDocument(YamlNode root);

  const YamlNode& root() const { return *root_; }
  // What an alias stands for; any other node is returned as it is.
  const YamlNode& Resolve(const YamlNode& node) const;
  // The value of the key, resolved, also where it comes from a map that is merged in (`<<`);
  // nullptr where there is none, or `map` is no map.
  const YamlNode* Find(const YamlNode& map, std::string_view key) const;
  // The text of the scalar there; empty where there is none.
  std::string_view FindText(const YamlNode& map, std::string_view key) const;
  // An alias somewhere stands for this very node, so that a change of it changes both.
  bool IsShared(const YamlNode& node) const;

 private:
  const YamlNode* FindMerged(const YamlNode& map, std::string_view key, int depth) const;
  void Visit(const YamlNode& node);

  std::unique_ptr<const YamlNode> root_;
  std::map<std::size_t, const YamlNode*> anchors_;
  std::set<std::size_t> used_anchors_;
};

// All documents of the text, which is UTF-8 without a byte order mark. `file` is for the messages.
// A text that is no YAML, or that is a template of YAML, is a kUsage failure with the place.
Reply<std::vector<YamlDocument>> ParseYaml(std::string_view text, const std::string& file);

}  // namespace remora::cli::inject
