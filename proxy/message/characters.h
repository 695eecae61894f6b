// The classes of bytes that HTTP's grammar is made of (RFC 9110 section 5.6). Pure.
#pragma once

#include <array>
#include <string_view>

#include "proxy/base/byte_scan.h"

namespace remora::proxy::message {

inline constexpr bool IsBlank(char c) { return c == ' ' || c == '\t'; }

inline constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Never part of a value: all of CTL but HTAB.
inline constexpr bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

// The first of [begin, end) that IsControl; `end` without one.
inline const char* FindControl(const char* begin, const char* end) {
  return FindFirst(
      begin, end, [](Block bytes) { return ((bytes < 0x20) & (bytes != '\t')) | (bytes == 0x7f); });
}

// Letters and digits.
inline BlockMatches IsAlphanumeric(Block bytes) {
  const Block letters = (bytes | 0x20) - 'a';
  const Block digits = bytes - '0';
  return (letters < 26) | (digits < 10);
}

// Letters, digits and `others`.
inline consteval std::array<bool, 256> ByteTable(std::string_view others) {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (const char c : others) table[static_cast<unsigned char>(c)] = true;
  return table;
}

// tchar of RFC 9110 section 5.6.2.
inline constexpr auto kTokenBytes = ByteTable("!#$%&'*+-.^_`|~");

inline constexpr bool IsTokenByte(char c) { return kTokenBytes[static_cast<unsigned char>(c)]; }

// reg-name of RFC 3986 without '%' and ',': unreserved and sub-delims.
inline constexpr auto kRegNameBytes = ByteTable("-._~!$&'()*+;=");

inline constexpr bool IsRegNameByte(char c) { return kRegNameBytes[static_cast<unsigned char>(c)]; }

// -1 if it is no hexadecimal digit.
inline constexpr int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace remora::proxy::message
