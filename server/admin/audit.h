// The log line that every attempt to change something over HTTP leaves, refused ones included; the
// control API writes the same.
#pragma once

#include <string>
#include <string_view>

#include "server/admin/http_server.h"

namespace remora::server {

struct AuditTarget {
  std::string pool = {};
  std::string id = {};
  std::string url = {};
};

void Audit(const HttpRequest& request, const AuditTarget& target, std::string_view result);

}  // namespace remora::server
