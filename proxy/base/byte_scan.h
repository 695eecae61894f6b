// Looks for bytes of a class in long runs, 16 at a time: the vectors of the compiler become SSE2 on
// x86-64 and NEON on arm64. Pure.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace remora::proxy {

inline constexpr std::size_t kBlock = 16;
using Block = std::uint8_t __attribute__((vector_size(kBlock)));
// What comparing a Block gives: 0 or all bits in each byte.
using BlockMatches = std::int8_t __attribute__((vector_size(kBlock)));

// Bit i: `matches[i]` is not 0.
inline std::uint16_t BitsOf(BlockMatches matches) {
  using Bits = bool __attribute__((ext_vector_type(kBlock)));
  return std::bit_cast<std::uint16_t>(__builtin_convertvector(matches, Bits));
}

// The first of [begin, end) that `match` finds, `end` without one. `match(Block)` says of each of
// 16 bytes whether it is looked for.
template <class Match>
const char* FindFirst(const char* begin, const char* end, Match match) {
  Block bytes;
  for (; static_cast<std::size_t>(end - begin) >= kBlock; begin += kBlock) {
    std::memcpy(&bytes, begin, kBlock);
    const std::uint16_t found = BitsOf(match(bytes));
    if (found != 0) return begin + std::countr_zero(found);
  }
  if (begin == end) return end;
  const auto left = static_cast<std::size_t>(end - begin);
  bytes = Block{};
  std::memcpy(&bytes, begin, left);
  const unsigned found = BitsOf(match(bytes)) | (1U << left);
  return begin + std::countr_zero(found);
}

}  // namespace remora::proxy
