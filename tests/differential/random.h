// Random numbers that are the same on every machine: what one seed makes can be made again.
//
// Not thread-safe. A plain value.
#pragma once

#include <cstddef>
#include <cstdint>

namespace remora::differential {

// SplitMix64. The distributions of the standard library may differ between its versions.
class Random {
 public:
  // Streams of one seed have nothing to do with each other.
  Random(std::uint64_t seed, std::uint64_t stream) : state_(Mix(seed) ^ Mix(~stream)) {}

  std::uint64_t Next() { return Mix(state_ += kStep); }
  // 0 to limit - 1; limit is at least 1.
  std::size_t Below(std::size_t limit) { return static_cast<std::size_t>(Next() % limit); }
  bool OneIn(std::size_t count) { return Below(count) == 0; }
  template <class List>
  const auto& Pick(const List& list) {
    return list[Below(list.size())];
  }

 private:
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;

  static std::uint64_t Mix(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }

  std::uint64_t state_;
};

}  // namespace remora::differential
