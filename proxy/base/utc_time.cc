#include "proxy/base/utc_time.h"

#include "absl/strings/str_format.h"

namespace remora::proxy {

void AppendUtcSeconds(std::time_t time, std::string& out) {
  tm utc{};
  gmtime_r(&time, &utc);
  absl::StrAppendFormat(&out, "%04d-%02d-%02dT%02d:%02d:%02d", utc.tm_year + 1900, utc.tm_mon + 1,
                        utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace remora::proxy
