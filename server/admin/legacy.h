// The four routes of the small load balancer that Remora can take the place of, with its JSON:
// {"URL": "http://host:port", "ActiveConns": 0, "Healthy": true}. Counters and states that a caller
// sends are ignored. All are about pool `default`.
#pragma once

#include "server/admin/admin.h"
#include "server/admin/http_server.h"

namespace remora::server {

// POST /addServer: {"status":"success"}; 400, 409.
HttpAnswer LegacyAdd(const AdminContext& context, const HttpRequest& request);
// DELETE /removeServer: every server with this URL; 400, 404.
HttpAnswer LegacyRemove(const AdminContext& context, const HttpRequest& request);
// GET /list: an array of those that are not removed.
HttpAnswer LegacyList(const AdminContext& context, const HttpRequest& request);
// GET /health: "OK", or 503 where no server takes traffic.
HttpAnswer LegacyHealth(const AdminContext& context, const HttpRequest& request);

}  // namespace remora::server
