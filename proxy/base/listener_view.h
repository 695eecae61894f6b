// A listener as it is now, for those who ask. Plain values.
#pragma once

#include <cstdint>
#include <string>

#include "proxy/base/settings.h"

namespace remora::proxy {

struct ListenerView {
  enum class State : std::uint8_t {
    kAccepting,
    kDraining,
    kClosed  // its last connection has ended
  };

  std::string address;  // as bound
  std::string pool;
  Direction direction = Direction::kOutbound;
  State state = State::kAccepting;
  std::uint64_t connections = 0;
};

}  // namespace remora::proxy
