#include "tests/fuzz/evidence.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>

namespace remora::fuzz {

Cuts::Cuts(std::string_view input) : state_(14695981039346656037u) {
  for (const char c : input) {
    state_ = (state_ ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  if (state_ == 0) state_ = 1;
}

std::uint64_t Cuts::Random() {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_ >> 16;
}

std::size_t Cuts::Next(std::size_t left) {
  // First the order of magnitude: cuts within a line tell more than cuts of kilobytes.
  const std::uint64_t digits = Random() % static_cast<std::uint64_t>(std::bit_width(left));
  return 1 + static_cast<std::size_t>(Random() % std::min<std::uint64_t>(left, 2u << digits));
}

std::string Escape(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

void Violation(std::string_view problem, std::initializer_list<Exhibit> exhibits) {
  std::string text = "\nVIOLATION: ";
  text += problem;
  text += '\n';
  for (const Exhibit& exhibit : exhibits) {
    text += "  ";
    text += exhibit.name;
    text += ": \"";
    text += Escape(exhibit.bytes);
    text += "\"\n";
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
  std::abort();
}

}  // namespace remora::fuzz
