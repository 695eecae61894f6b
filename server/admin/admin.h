// What the admin port answers: a table of routes over the state of the process.
//
// Pure but for reading `readiness`. /livez says that the control thread turns; /readyz and
// /startupz come from Readiness.
#pragma once

#include "server/admin/http_server.h"
#include "server/readiness.h"

namespace remora::server {

// What routes may look at. Lifetime: all of it outlives the server that Answer is used in.
struct AdminContext {
  const Readiness& readiness;
};

HttpAnswer AnswerAdmin(const AdminContext& context, const HttpRequest& request);

}  // namespace remora::server
