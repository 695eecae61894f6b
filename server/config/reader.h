// A YAML document as values that know their place and collect every problem.
//
// The tables of field.h say what is read from where. File, environment and flags are read alike:
// the last two are one-value documents whose place is their name.
// Single-threaded; a Value refers to its Reading and to the document, and does not outlive them.
#pragma once

#include <yaml-cpp/node/node.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace remora::server {

// What is common to the values of one run over file, environment and flags.
struct Reading {
  std::vector<std::string> problems;
  // Where the value of a path was read from, for checks that look at several at once.
  std::map<std::string, std::string> places;

  void Fail(std::string_view where, std::string_view path, std::string_view text);
  // The place of `path`; `otherwise` where it was left out.
  std::string PlaceOf(const std::string& path, std::string_view otherwise) const;
  void ForgetPlacesBelow(const std::string& path);
  std::map<std::string, std::string> PlacesBelow(const std::string& path) const;
};

// A node with its place and its path from the root ("pools[0].timeouts.connect").
class Value {
 public:
  // The root of a document. `has_lines`: places are "name:line:column", otherwise "name".
  Value(Reading& reading, YAML::Node node, std::string document, bool has_lines);

  const std::string& path() const { return path_; }
  const std::string& where() const { return where_; }
  void Fail(std::string_view text) const { reading_->Fail(where_, path_, text); }

  // So far, in the whole reading: tells whether reading something added any.
  std::size_t problems() const { return reading_->problems.size(); }

  bool IsScalar() const;

  // What was read from below this value is not what holds any more: a later list replaced it.
  void ForgetPlacesBelow() const { reading_->ForgetPlacesBelow(path_); }
  // The places of what was read from below this value, by the path from here ("url").
  std::map<std::string, std::string> PlacesBelow() const { return reading_->PlacesBelow(path_); }

  // Each of these reports what is wrong and returns nullopt.
  std::optional<std::string> Text() const;
  std::optional<bool> Bool() const;
  std::optional<std::uint64_t> Number(std::uint64_t least, std::uint64_t most) const;
  std::optional<double> Fraction() const;  // 0 to 1
  std::optional<std::chrono::milliseconds> Duration(std::chrono::milliseconds least,
                                                    std::chrono::milliseconds most) const;
  std::optional<std::uint64_t> Size(std::uint64_t least, std::uint64_t most) const;
  std::optional<std::size_t> Choice(std::span<const std::string_view> names) const;

  // For each entry of a map whose key is known, once, with the position of the key in `keys`.
  // Nothing at all counts as an empty map.
  void ForEachKey(std::span<const std::string_view> keys,
                  const std::function<void(std::size_t, const Value&)>& visit) const;
  // For each entry of a map with free keys.
  void ForEachEntry(const std::function<void(const std::string&, const Value&)>& visit) const;
  void ForEachElement(const std::function<void(const Value&)>& visit) const;

 private:
  Value(const Value& parent, YAML::Node node, const YAML::Mark& mark, std::string path);

  std::string Place(const YAML::Mark& mark) const;
  bool IsMap(std::string_view expected) const;

  Reading* reading_;
  YAML::Node node_;
  std::string document_;
  bool has_lines_;
  std::string path_;
  std::string where_;
  std::string key_where_;  // of its key, in a map
};

}  // namespace remora::server
