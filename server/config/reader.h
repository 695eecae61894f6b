// Reads a YAML document into structs by tables of fields, and collects every problem with its
// place.
//
// A table says for each key how its value is read; from the tables come also the texts of "unknown
// key". The same tables read the file, the environment and the flags: those are one-value documents
// whose place is their name.
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

// One key of a map that is read into a T.
template <class T>
struct Field {
  std::string_view key;
  std::function<void(const Value&, T&)> read;
};

template <class T>
void ReadMap(const Value& value, const std::vector<Field<T>>& fields, T& out) {
  std::vector<std::string_view> keys;
  for (const Field<T>& field : fields) keys.push_back(field.key);
  value.ForEachKey(keys,
                   [&](std::size_t index, const Value& child) { fields[index].read(child, out); });
}

// ---- the fields there are ----

template <class T>
Field<T> DurationField(std::string_view key, std::chrono::milliseconds T::* member,
                       std::chrono::milliseconds least, std::chrono::milliseconds most) {
  return {key, [=](const Value& value, T& out) {
            if (const auto read = value.Duration(least, most)) out.*member = *read;
          }};
}

template <class T, class Number>
Field<T> NumberField(std::string_view key, Number T::* member, std::uint64_t least,
                     std::uint64_t most) {
  return {key, [=](const Value& value, T& out) {
            if (const auto read = value.Number(least, most)) {
              out.*member = static_cast<Number>(*read);
            }
          }};
}

template <class T, class Number>
Field<T> SizeField(std::string_view key, Number T::* member, std::uint64_t least,
                   std::uint64_t most) {
  return {key, [=](const Value& value, T& out) {
            if (const auto read = value.Size(least, most)) out.*member = static_cast<Number>(*read);
          }};
}

template <class T>
Field<T> BoolField(std::string_view key, bool T::* member) {
  return {key, [=](const Value& value, T& out) {
            if (const auto read = value.Bool()) out.*member = *read;
          }};
}

template <class T>
Field<T> FractionField(std::string_view key, double T::* member) {
  return {key, [=](const Value& value, T& out) {
            if (const auto read = value.Fraction()) out.*member = *read;
          }};
}

// `names` are in the order of the enum's values, from 0.
template <class T, class Enum>
Field<T> ChoiceField(std::string_view key, Enum T::* member, std::vector<std::string_view> names) {
  return {key, [=](const Value& value, T& out) {
            if (const auto read = value.Choice(names)) out.*member = static_cast<Enum>(*read);
          }};
}

// `check` returns what is wrong with the text, empty where nothing is.
template <class T>
Field<T> TextField(std::string_view key, std::string T::* member,
                   std::string (*check)(const std::string&)) {
  return {key, [=](const Value& value, T& out) {
            auto read = value.Text();
            if (!read) return;
            if (const std::string wrong = check(*read); !wrong.empty()) return value.Fail(wrong);
            out.*member = *std::move(read);
          }};
}

template <class T, class Inner>
Field<T> MapField(std::string_view key, Inner T::* member,
                  const std::vector<Field<Inner>>& (*fields)()) {
  return {key, [=](const Value& value, T& out) { ReadMap(value, fields(), out.*member); }};
}

}  // namespace remora::server
