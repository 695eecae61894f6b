// Tables of keys: for each key of a map how its value is read, shown again, and what it may be.
//
// Everything that knows the keys comes from these tables: reading, "unknown key", --print-config,
// the JSON Schema, and which settings a reload can't change.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "server/config/reader.h"
#include "server/config/tree.h"
#include "server/config/values.h"

namespace remora::server {

// One key of a map that is read into a T.
template <class T>
struct Field {
  std::string_view key;
  std::function<void(const Value&, T&)> read;
  std::function<ShownValue(const T&)> show;
  Shape shape;
};

template <class T>
using Fields = std::vector<Field<T>>;

template <class T>
void ReadMap(const Value& value, const Fields<T>& fields, T& out) {
  std::vector<std::string_view> keys;
  for (const Field<T>& field : fields) keys.push_back(field.key);
  value.ForEachKey(keys,
                   [&](std::size_t index, const Value& child) { fields[index].read(child, out); });
}

template <class T>
ShownValue ShowMap(const Fields<T>& fields, const T& from) {
  ShownValue map{.kind = ShownValue::Kind::kMap};
  for (const Field<T>& field : fields) {
    map.entries.emplace_back(std::string(field.key), field.show(from));
  }
  return map;
}

template <class T>
Shape ShapeOf(const Fields<T>& fields, Shape::Kind kind = Shape::Kind::kMap) {
  Shape shape{.kind = kind};
  for (const Field<T>& field : fields) shape.keys.emplace_back(field.key, field.shape);
  return shape;
}

// The field of a part as one of the whole.
template <class Whole, class Part>
Field<Whole> PartField(const Field<Part>& field, Part Whole::* part) {
  return {field.key,
          [read = field.read, part](const Value& value, Whole& out) { read(value, out.*part); },
          [show = field.show, part](const Whole& from) { return show(from.*part); }, field.shape};
}

// ---- the fields there are ----

template <class T>
Field<T> DurationField(std::string_view key, std::chrono::milliseconds T::* member,
                       std::chrono::milliseconds least, std::chrono::milliseconds most) {
  return {key,
          [=](const Value& value, T& out) {
            if (const auto read = value.Duration(least, most)) out.*member = *read;
          },
          [=](const T& from) { return ShownText(FormatDuration(from.*member)); },
          {.kind = Shape::Kind::kDuration,
           .least = static_cast<std::uint64_t>(least.count()),
           .most = static_cast<std::uint64_t>(most.count())}};
}

template <class T, class Number>
Field<T> NumberField(std::string_view key, Number T::* member, std::uint64_t least,
                     std::uint64_t most) {
  return {key,
          [=](const Value& value, T& out) {
            if (const auto read = value.Number(least, most)) {
              out.*member = static_cast<Number>(*read);
            }
          },
          [=](const T& from) { return ShownLiteral(std::to_string(from.*member)); },
          {.kind = Shape::Kind::kNumber, .least = least, .most = most}};
}

template <class T, class Number>
Field<T> SizeField(std::string_view key, Number T::* member, std::uint64_t least,
                   std::uint64_t most) {
  return {key,
          [=](const Value& value, T& out) {
            if (const auto read = value.Size(least, most)) out.*member = static_cast<Number>(*read);
          },
          [=](const T& from) {
            return from.*member == 0 ? ShownLiteral("0") : ShownText(FormatSize(from.*member));
          },
          {.kind = Shape::Kind::kSize, .least = least, .most = most}};
}

template <class T>
Field<T> BoolField(std::string_view key, bool T::* member) {
  return {key,
          [=](const Value& value, T& out) {
            if (const auto read = value.Bool()) out.*member = *read;
          },
          [=](const T& from) { return ShownLiteral(from.*member ? "true" : "false"); },
          {.kind = Shape::Kind::kBool}};
}

template <class T>
Field<T> FractionField(std::string_view key, double T::* member) {
  return {key,
          [=](const Value& value, T& out) {
            if (const auto read = value.Fraction()) out.*member = *read;
          },
          [=](const T& from) { return ShownLiteral(FormatFraction(from.*member)); },
          {.kind = Shape::Kind::kFraction}};
}

// `names` are in the order of the enum's values, from 0.
template <class T, class Enum>
Field<T> ChoiceField(std::string_view key, Enum T::* member, std::vector<std::string_view> names) {
  return {key,
          [=](const Value& value, T& out) {
            if (const auto read = value.Choice(names)) out.*member = static_cast<Enum>(*read);
          },
          [=](const T& from) {
            return ShownText(std::string(names.at(static_cast<std::size_t>(from.*member))));
          },
          {.kind = Shape::Kind::kChoice, .choices = names}};
}

// `check` returns what is wrong with the text, empty where nothing is.
template <class T>
Field<T> TextField(std::string_view key, std::string T::* member,
                   std::string (*check)(const std::string&),
                   Shape::Kind kind = Shape::Kind::kText) {
  return {key,
          [=](const Value& value, T& out) {
            auto read = value.Text();
            if (!read) return;
            if (const std::string wrong = check(*read); !wrong.empty()) return value.Fail(wrong);
            out.*member = *std::move(read);
          },
          [=](const T& from) { return ShownText(from.*member); },
          {.kind = kind}};
}

template <class T, class Inner>
Field<T> MapField(std::string_view key, Inner T::* member,
                  const std::type_identity_t<Fields<Inner>>& (*fields)()) {
  return {key, [=](const Value& value, T& out) { ReadMap(value, fields(), out.*member); },
          [=](const T& from) { return ShowMap(fields(), from.*member); }, ShapeOf(fields())};
}

// A list of maps; `read` also says what becomes of the elements there were.
template <class T, class Element>
Field<T> ListField(std::string_view key, std::vector<Element> T::* member,
                   const std::type_identity_t<Fields<Element>>& (*fields)(),
                   void (*read)(const Value&, T&), Shape::Kind kind = Shape::Kind::kList) {
  return {key, read,
          [=](const T& from) {
            ShownValue list{.kind = ShownValue::Kind::kList};
            for (const Element& element : from.*member) {
              list.elements.push_back(ShowMap(fields(), element));
            }
            return list;
          },
          ShapeOf(fields(), kind)};
}

}  // namespace remora::server
