// JSON as the admin port writes it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"

namespace remora::server {

inline constexpr char kJsonContentType[] = "application/json";

// `text` with its quotes, whatever bytes it has: what is not UTF-8 is shown as \xNN.
std::string JsonText(std::string_view text);

// RFC 3339 in UTC, with as many digits as protobuf's JSON has: none, 3, 6 or 9.
std::string JsonTime(proxy::WallTime time);

// Seconds as protobuf's JSON has a Duration: "0.001500s".
std::string JsonMilliseconds(double milliseconds);

// One object, member by member. Keys are our own and need no escaping.
class JsonObject {
 public:
  JsonObject& Text(std::string_view key, std::string_view value);
  JsonObject& Number(std::string_view key, std::uint64_t value);
  // With at most 3 digits behind the point.
  JsonObject& Real(std::string_view key, double value);
  JsonObject& Bool(std::string_view key, bool value);
  // `json` is JSON already.
  JsonObject& Raw(std::string_view key, std::string_view json);
  std::string str() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

class JsonArray {
 public:
  void Add(std::string_view json);
  std::string str() const { return text_ + "]"; }

 private:
  std::string text_ = "[";
};

}  // namespace remora::server
