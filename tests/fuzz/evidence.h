// What all fuzz targets share: how an input is cut into pieces, and how a violation is told.
//
// Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace remora::fuzz {

// Sizes of pieces. The same input is always cut at the same places, so that a finding repeats.
class Cuts {
 public:
  explicit Cuts(std::string_view input);
  // 1 to `left`, mostly few.
  std::size_t Next(std::size_t left);
  bool Coin() { return (Random() & 1) != 0; }

 private:
  std::uint64_t Random();

  std::uint64_t state_;
};

// Printable: what is not ASCII as \xHH, line ends as \r\n.
std::string Escape(std::string_view bytes);

struct Exhibit {
  std::string_view name;
  std::string_view bytes;
};

// Ends the process, which is how the fuzzer learns of it.
[[noreturn]] void Violation(std::string_view problem, std::initializer_list<Exhibit> exhibits);

}  // namespace remora::fuzz
