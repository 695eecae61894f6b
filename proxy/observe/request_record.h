// What is known of a request once it is over: filled by the forwarder, handed once by the session
// to whoever counts and logs. A value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proxy/base/error.h"

namespace remora::proxy {

struct RequestRecord {
  unsigned status = 0;              // sent to the client; 0: none
  std::optional<ProxyError> error;  // why it did not end well
  std::string server;               // id of the backend that answered or failed last
  std::uint32_t attempts = 0;       // backends that were picked
  bool answer_complete = false;
};

}  // namespace remora::proxy
