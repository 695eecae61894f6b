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

inline Block LoadBlock(const char* bytes) {
  Block block;
  std::memcpy(&block, bytes, kBlock);
  return block;
}

// As FindFirst, of less than a Block. A function of its own, so that the loop keeps its block in a
// register.
template <class Match>
[[gnu::noinline]] const char* FindInShort(const char* begin, std::size_t size, Match match) {
  Block bytes{};
  std::memcpy(&bytes, begin, size);
  return begin + std::countr_zero(BitsOf(match(bytes)) | (1U << size));
}

// The first of [begin, end) that `match` finds, `end` without one. `match(Block)` says of each of
// 16 bytes whether it is looked for.
template <class Match>
const char* FindFirst(const char* begin, const char* end, Match match) {
  const auto size = static_cast<std::size_t>(end - begin);
  if (size == 0) return end;
  if (size < kBlock) return FindInShort(begin, size, match);
  for (; static_cast<std::size_t>(end - begin) >= kBlock; begin += kBlock) {
    const std::uint16_t found = BitsOf(match(LoadBlock(begin)));
    if (found != 0) return begin + std::countr_zero(found);
  }
  if (begin == end) return end;
  // What is left, behind bytes that have been looked at.
  const char* const last = end - kBlock;
  const std::uint16_t found = BitsOf(match(LoadBlock(last)));
  return found != 0 ? last + std::countr_zero(found) : end;
}

}  // namespace remora::proxy
