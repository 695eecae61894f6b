// How long a head may be. Plain values.
#pragma once

#include <cstddef>

#include "proxy/base/settings.h"

namespace remora::proxy::message {

struct HeadLimits {
  std::size_t head_bytes = 64 * 1024;
  std::size_t head_fields = 100;
  std::size_t request_line_bytes = 16 * 1024;  // with its CRLF; a status line likewise
};

inline HeadLimits HeadLimitsOf(const LimitSettings& settings) {
  return {.head_bytes = settings.head_bytes,
          .head_fields = settings.head_fields,
          .request_line_bytes = settings.request_line_bytes};
}

}  // namespace remora::proxy::message
