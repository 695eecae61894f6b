#include "server/config/reader.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proxy/base/abseil.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

// What a message repeats of a value.
constexpr std::size_t kMaxQuoted = 100;

std::string Quoted(std::string_view text) {
  return absl::StrCat("'", absl::CHexEscape(ToAbsl(text.substr(0, kMaxQuoted))), "'");
}

std::string Joined(std::span<const std::string_view> words) {
  std::string joined;
  for (const std::string_view word : words) {
    if (!joined.empty()) joined += ", ";
    joined += word;
  }
  return joined;
}

// "; did you mean 'x'?" or the list of what is allowed.
std::string Hint(std::string_view word, std::span<const std::string_view> allowed) {
  const std::string_view nearest = Nearest(word, allowed);
  if (!nearest.empty()) return absl::StrCat("; did you mean '", ToAbsl(nearest), "'?");
  return "; allowed are " + Joined(allowed);
}

bool IsBelow(std::string_view path, std::string_view of) {
  return path.size() > of.size() && path.starts_with(of) &&
         (path[of.size()] == '.' || path[of.size()] == '[');
}

}  // namespace

void Reading::Fail(std::string_view where, std::string_view path, std::string_view text) {
  std::string problem(where);
  for (const std::string_view part : {path, text}) {
    if (part.empty()) continue;
    if (!problem.empty()) problem += ": ";
    problem += part;
  }
  problems.push_back(std::move(problem));
}

std::string Reading::PlaceOf(const std::string& path, std::string_view otherwise) const {
  const auto found = places.find(path);
  return found == places.end() ? std::string(otherwise) : found->second;
}

void Reading::ForgetPlacesBelow(const std::string& path) {
  std::erase_if(places, [&path](const auto& place) { return IsBelow(place.first, path); });
}

std::map<std::string, std::string> Reading::PlacesBelow(const std::string& path) const {
  std::map<std::string, std::string> below;
  for (auto place = places.lower_bound(path); place != places.end(); ++place) {
    if (!place->first.starts_with(path)) break;
    if (IsBelow(place->first, path)) below[place->first.substr(path.size() + 1)] = place->second;
  }
  return below;
}

Value::Value(Reading& reading, YAML::Node node, std::string document, bool has_lines)
    : reading_(&reading),
      node_(std::move(node)),
      document_(std::move(document)),
      has_lines_(has_lines),
      where_(Place(node_.Mark())) {}

Value::Value(const Value& parent, YAML::Node node, const YAML::Mark& mark, std::string path)
    : reading_(parent.reading_),
      node_(std::move(node)),
      document_(parent.document_),
      has_lines_(parent.has_lines_),
      path_(std::move(path)),
      where_(Place(mark)) {
  reading_->places[path_] = where_;
}

std::string Value::Place(const YAML::Mark& mark) const {
  if (!has_lines_) return document_;
  // Marks count from 0; a node that was left out has none.
  return absl::StrCat(document_, ":", mark.is_null() ? 1 : mark.line + 1, ":",
                      mark.is_null() ? 1 : mark.column + 1);
}

bool Value::IsScalar() const { return node_.IsScalar(); }

std::optional<std::string> Value::Text() const {
  if (node_.IsScalar()) return node_.Scalar();
  Fail(node_.IsNull() ? "has no value" : "must be a single value");
  return std::nullopt;
}

std::optional<bool> Value::Bool() const {
  const auto text = Text();
  if (!text) return std::nullopt;
  if (*text == "true") return true;
  if (*text == "false") return false;
  Fail(Quoted(*text) + " is neither true nor false");
  return std::nullopt;
}

std::optional<std::uint64_t> Value::Number(std::uint64_t least, std::uint64_t most) const {
  const auto text = Text();
  if (!text) return std::nullopt;
  const std::optional<std::uint64_t> number = ParseNumber(*text);
  if (number && *number >= least && *number <= most) return number;
  Fail(absl::StrCat(Quoted(*text), " is not a number from ", least, " to ", most));
  return std::nullopt;
}

std::optional<double> Value::Fraction() const {
  const auto text = Text();
  if (!text) return std::nullopt;
  double number = -1;
  const char* const last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, number);
  if (error == std::errc() && end == last && number >= 0 && number <= 1) return number;
  Fail(Quoted(*text) + " is not a number from 0 to 1, such as 0.2");
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> Value::Duration(std::chrono::milliseconds least,
                                                         std::chrono::milliseconds most) const {
  const auto text = Text();
  if (!text) return std::nullopt;
  const auto duration = ParseDuration(*text);
  if (duration && *duration >= least && *duration <= most) return duration;
  Fail(absl::StrCat(Quoted(*text), " is not a duration from ", FormatDuration(least), " to ",
                    FormatDuration(most), "; write for example 250ms, 5s, 1m or 1h"));
  return std::nullopt;
}

std::optional<std::uint64_t> Value::Size(std::uint64_t least, std::uint64_t most) const {
  const auto text = Text();
  if (!text) return std::nullopt;
  const auto size = ParseSize(*text);
  if (size && *size >= least && *size <= most) return size;
  Fail(absl::StrCat(Quoted(*text), " is not a size from ", FormatSize(least), " to ",
                    FormatSize(most), "; write for example 65536, 64KiB or 1MiB"));
  return std::nullopt;
}

std::optional<std::size_t> Value::Choice(std::span<const std::string_view> names) const {
  const auto text = Text();
  if (!text) return std::nullopt;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == *text) return i;
  }
  Fail(Quoted(*text) + " is unknown" + Hint(*text, names));
  return std::nullopt;
}

bool Value::IsMap(std::string_view expected) const {
  if (node_.IsMap()) return true;
  if (!node_.IsNull()) Fail("must be a map" + std::string(expected));
  return false;
}

void Value::ForEachKey(std::span<const std::string_view> keys,
                       const std::function<void(std::size_t, const Value&)>& visit) const {
  if (!IsMap(" with the keys " + Joined(keys))) return;
  ForEachEntry([&](const std::string& key, const Value& child) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] == key) return visit(i, child);
    }
    reading_->Fail(child.key_where_, child.path_, "unknown key" + Hint(key, keys));
  });
}

void Value::ForEachEntry(const std::function<void(const std::string&, const Value&)>& visit) const {
  if (!IsMap("")) return;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) {
      reading_->Fail(Place(entry.first.Mark()), path_, "a key must be a single word");
      continue;
    }
    const std::string& key = entry.first.Scalar();
    const std::string shown = absl::CHexEscape(key.substr(0, kMaxQuoted));
    std::string path = path_.empty() ? shown : path_ + "." + shown;
    if (!seen.insert(key).second) {
      reading_->Fail(Place(entry.first.Mark()), path, "is there twice; remove one");
      continue;
    }
    // Values that were left out have no place of their own.
    const bool empty = entry.second.IsNull() || entry.second.Mark().is_null();
    const YAML::Mark mark = empty ? entry.first.Mark() : entry.second.Mark();
    Value child(*this, entry.second, mark, std::move(path));
    child.key_where_ = Place(entry.first.Mark());
    visit(key, child);
  }
}

void Value::ForEachElement(const std::function<void(const Value&)>& visit) const {
  if (node_.IsNull()) return;
  if (!node_.IsSequence()) return Fail("must be a list");
  std::size_t index = 0;
  for (const auto& element : node_) {
    const YAML::Mark mark = element.Mark().is_null() ? node_.Mark() : element.Mark();
    visit(Value(*this, element, mark, absl::StrCat(path_, "[", index++, "]")));
  }
}

}  // namespace remora::server
