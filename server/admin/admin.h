// What the admin port answers: a table of routes over the state of the process.
//
// Pure but for reading its context. /livez says that the control thread turns; /readyz and
// /startupz come from Readiness.
#pragma once

#include <functional>

#include "proxy/observe/limit_hits.h"
#include "server/admin/http_server.h"
#include "server/admin/metrics.h"
#include "server/readiness.h"

namespace remora::server {

// What routes may look at. Lifetime: all of it outlives the server that Answer is used in.
struct AdminContext {
  const Readiness& readiness;
  const proxy::LimitHits& limit_hits;
  // Everything that is counted; empty: the limits only.
  std::function<MetricsInput()> metrics = {};
};

HttpAnswer AnswerAdmin(const AdminContext& context, const HttpRequest& request);

}  // namespace remora::server
