// Makes request ids: version 4 UUIDs. Not secrets, so a fast generator is enough.
// One object a worker; single-threaded.
#pragma once

#include <array>
#include <random>
#include <string_view>

namespace remora::proxy {

// "0b0e7a3e-8f7c-4d63-9a55-3a4f6c2c1d5e"
struct RequestId {
  std::array<char, 36> text;
  std::string_view view() const { return {text.data(), text.size()}; }
};

class RequestIdSource {
 public:
  RequestIdSource();
  RequestId Next();

 private:
  std::mt19937_64 random_;
};

}  // namespace remora::proxy
