// dashboard.html as the build put it into the binary.
#pragma once

#include <cstddef>

namespace remora::server {

extern const unsigned char kDashboardHtml[];
extern const std::size_t kDashboardHtmlSize;

}  // namespace remora::server
