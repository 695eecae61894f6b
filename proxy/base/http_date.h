// Dates as HTTP writes them (IMF-fixdate, RFC 9110 section 5.6.7).
#pragma once

#include <ctime>
#include <string>
#include <string_view>

namespace remora::proxy {

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string FormatHttpDate(std::time_t time);

// The date now, formatted once a second. One thread; the view is valid until the next call.
class HttpDateCache {
 public:
  std::string_view Now();

 private:
  std::time_t second_ = -1;
  std::string text_;
};

}  // namespace remora::proxy
