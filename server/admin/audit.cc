#include "server/admin/audit.h"

#include "proxy/base/log.h"
#include "proxy/base/status.h"

namespace remora::server {
namespace {

// A log line holds no more of what a caller sent.
constexpr std::size_t kMaxShown = 200;

}  // namespace

void Audit(const HttpRequest& request, const AuditTarget& target, std::string_view result) {
  const std::string route = std::string(request.method) + " " + std::string(request.path);
  log::Info("audit", {{"rpc", Shown(route, kMaxShown)},
                      {"pool", Shown(target.pool, kMaxShown)},
                      {"id", Shown(target.id, kMaxShown)},
                      {"url", Shown(target.url, kMaxShown)},
                      {"peer", request.peer},
                      {"result", result}});
}

}  // namespace remora::server
