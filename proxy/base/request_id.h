// Makes request ids: version 4 UUIDs. Not secrets, so a fast generator is enough.
// One object a worker; single-threaded.
#pragma once

#include <random>
#include <string>

namespace remora::proxy {

class RequestIdSource {
 public:
  RequestIdSource();
  // "0b0e7a3e-8f7c-4d63-9a55-3a4f6c2c1d5e"
  std::string Next();

 private:
  std::mt19937_64 random_;
};

}  // namespace remora::proxy
