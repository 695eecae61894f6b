#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/message/characters.h"
#include "proxy/message/head.h"

namespace remora::proxy::message {
namespace {

constexpr std::array<std::pair<std::string_view, FieldId>, 19> kNames = {{
    {"Connection", FieldId::kConnection},
    {"Content-Length", FieldId::kContentLength},
    {"Date", FieldId::kDate},
    {"Expect", FieldId::kExpect},
    {"Forwarded", FieldId::kForwarded},
    {"Host", FieldId::kHost},
    {"HTTP2-Settings", FieldId::kHttp2Settings},
    {"Keep-Alive", FieldId::kKeepAlive},
    {"Max-Forwards", FieldId::kMaxForwards},
    {"Proxy-Connection", FieldId::kProxyConnection},
    {"TE", FieldId::kTe},
    {"Trailer", FieldId::kTrailer},
    {"Transfer-Encoding", FieldId::kTransferEncoding},
    {"Upgrade", FieldId::kUpgrade},
    {"Via", FieldId::kVia},
    {"X-Forwarded-For", FieldId::kXForwardedFor},
    {"X-Forwarded-Host", FieldId::kXForwardedHost},
    {"X-Forwarded-Proto", FieldId::kXForwardedProto},
    {"X-Request-ID", FieldId::kXRequestId},
}};

TEST(FieldIdTest, EachNameIsKnownInAnyCase) {
  for (const auto& [name, id] : kNames) {
    EXPECT_EQ(FieldIdOf(name), id) << name;
    std::string upper(name);
    std::string lower(name);
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    EXPECT_EQ(FieldIdOf(upper), id);
    EXPECT_EQ(FieldIdOf(lower), id);
  }
}

// Each byte that a name may have, at each place.
TEST(FieldIdTest, WhatDiffersInOneByteIsAnotherName) {
  for (const auto& [name, id] : kNames) {
    for (std::size_t at = 0; at < name.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string other(name);
        other[at] = static_cast<char>(byte);
        if (!IsTokenByte(other[at])) continue;
        EXPECT_EQ(FieldIdOf(other) == id, EqualsIgnoreCase(other, name)) << other;
      }
    }
  }
}

TEST(FieldIdTest, APartOfANameOrMoreThanItIsAnotherName) {
  for (const auto& [name, id] : kNames) {
    for (std::size_t size = 0; size < name.size(); ++size) {
      EXPECT_EQ(FieldIdOf(name.substr(0, size)), FieldId::kOther);
    }
    EXPECT_EQ(FieldIdOf(std::string(name) + "s"), FieldId::kOther);
  }
  EXPECT_EQ(FieldIdOf(std::string(100'000, 'x')), FieldId::kOther);
}

}  // namespace
}  // namespace remora::proxy::message
