// GET /: the dashboard, one page without anything from elsewhere. Its policy (CSP) lets nothing run
// but the script and the style that are in it, each by its hash. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "server/admin/http_server.h"

namespace remora::server {

HttpAnswer AnswerDashboard(const HttpRequest& request);

// Whether an Accept-Encoding field takes gzip.
bool TakesGzip(std::string_view accept_encoding);

}  // namespace remora::server
