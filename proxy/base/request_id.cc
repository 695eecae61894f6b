#include "proxy/base/request_id.h"

#include <cstdint>
#include <cstring>

namespace remora::proxy {
namespace {

constexpr auto kHexPairs = [] {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t byte = 0; byte < pairs.size(); ++byte) {
    pairs[byte] = {kHex[byte >> 4U], kHex[byte & 0xfU]};
  }
  return pairs;
}();

// The highest of the `bytes` lowest bytes of `bits` first.
char* WriteHex(std::uint64_t bits, int bytes, char* out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8, out += 2) {
    std::memcpy(out, kHexPairs[(bits >> shift) & 0xff].data(), 2);
  }
  return out;
}

}  // namespace

RequestIdSource::RequestIdSource() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device(),
                     device(), device(), device(), device()};
  random_.seed(seed);
}

// Pairs of digits and no allocation: 1,050 -> 250 instructions.
RequestId RequestIdSource::Next() {
  const std::uint64_t high = (random_() & ~std::uint64_t{0xf000}) | 0x4000;  // version 4
  const std::uint64_t low =
      (random_() & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);  // variant
  RequestId id;
  char* out = WriteHex(high >> 32, 4, id.text.data());
  *out++ = '-';
  out = WriteHex(high >> 16, 2, out);
  *out++ = '-';
  out = WriteHex(high, 2, out);
  *out++ = '-';
  out = WriteHex(low >> 48, 2, out);
  *out++ = '-';
  WriteHex(low, 6, out);
  return id;
}

}  // namespace remora::proxy
