// Two trees that are made from the tables of keys: what a configuration says (ShownValue), and
// what may be said (Shape). Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remora::server {

// One entry of a map. No std::pair: of a type that is not complete yet it can't be made with the
// libstdc++ of GCC 14, which asks for its default constructor.
template <class K, class V>
struct Entry {
  K key;
  V value;
};

// A value with everything below it, as it would be written into a file.
struct ShownValue {
  enum class Kind : std::uint8_t {
    kText,
    kLiteral,  // a number or a truth value: without quotes in JSON
    kMap,
    kList
  };

  Kind kind = Kind::kText;
  std::string text = {};                                     // kText, kLiteral
  std::vector<Entry<std::string, ShownValue>> entries = {};  // kMap
  std::vector<ShownValue> elements = {};                     // kList
  // Where it was said; empty: look it up by the path, as for most.
  std::string origin = {};
};

inline ShownValue ShownText(std::string text) { return {.text = std::move(text)}; }
inline ShownValue ShownLiteral(std::string text) {
  return {.kind = ShownValue::Kind::kLiteral, .text = std::move(text)};
}

// What a value may be.
struct Shape {
  enum class Kind : std::uint8_t {
    kText,
    kAddress,         // ip:port
    kControlAddress,  // that, or unix:/path
    kName,            // of a pool or a server
    kPath,            // of a URL
    kBool,
    kNumber,    // least to most
    kFraction,  // 0 to 1
    kDuration,
    kSize,
    kWorkers,  // auto, or least to most
    kChoice,
    kMap,
    kLabels,   // a map with free keys
    kServers,  // a list of urls, or of maps with `keys`
    kList      // of maps with `keys`
  };

  Kind kind = Kind::kText;
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  std::vector<std::string_view> choices = {};
  std::vector<Entry<std::string_view, Shape>> keys = {};
};

}  // namespace remora::server
