// /servers: the registry as JSON, with the names and values that ListServers has as protobuf's JSON
// (those of `remoractl -o json`). Made without protobuf, which this folder does not know.
//
// Threads: any. Lifetime: of nothing that is passed in is anything kept.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/admin/admin.h"
#include "server/admin/http_server.h"

namespace remora::server {

std::string ServerJson(const proxy::ServerView& view,
                       const std::optional<ServerNumbers>& numbers = std::nullopt);

// GET /servers?pool=&page_size=&page_token=
HttpAnswer ListServers(const AdminContext& context, const HttpRequest& request);
// POST /servers with {"url", "pool", "id", "weight", "max_active", "labels"}.
HttpAnswer AddServer(const AdminContext& context, const HttpRequest& request);
// DELETE /servers/{pool}/{id}?drain_timeout=5s
HttpAnswer RemoveServer(const AdminContext& context, const HttpRequest& request,
                        std::string_view pool, std::string_view id);
// POST /servers/{pool}/{id}/drain?drain_timeout=5s, and back.
HttpAnswer DrainServer(const AdminContext& context, const HttpRequest& request,
                       std::string_view pool, std::string_view id);
HttpAnswer UndrainServer(const AdminContext& context, const HttpRequest& request,
                         std::string_view pool, std::string_view id);

}  // namespace remora::server
