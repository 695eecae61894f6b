#include "proxy/base/request_id.h"

#include <cstdint>

namespace remora::proxy {

RequestIdSource::RequestIdSource() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device(),
                     device(), device(), device(), device()};
  random_.seed(seed);
}

std::string RequestIdSource::Next() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::uint64_t bits[2] = {random_(), random_()};
  bits[0] = (bits[0] & ~std::uint64_t{0xf000}) | 0x4000;                       // version 4
  bits[1] = (bits[1] & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);  // variant
  std::string text(36, '-');
  int nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) continue;
    const std::uint64_t word = bits[nibble / 16];
    text[i] = kHex[(word >> (60 - 4 * (nibble % 16))) & 0xf];
    ++nibble;
  }
  return text;
}

}  // namespace remora::proxy
