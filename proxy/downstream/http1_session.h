// Serves the requests of one HTTP/1 client connection, one after the other.
//
// Threads: the worker's. Lifetime: everything in SessionContext outlives the session.
#pragma once

#include <string_view>

#include "proxy/base/http_date.h"
#include "proxy/base/request_id.h"
#include "proxy/base/settings.h"
#include "proxy/downstream/connection_set.h"
#include "proxy/forward/forwarder.h"
#include "proxy/net/awaitable.h"
#include "proxy/net/loop.h"
#include "proxy/observe/limit_hits.h"
#include "proxy/observe/reporter.h"

namespace remora::proxy {

struct SessionContext {
  net::Loop* loop;
  ConnectionSet* connections;
  Forwarder* forwarder;
  const ListenerSettings* listener;
  const PoolSettings* pool;
  HttpDateCache* date;
  RequestIdSource* request_ids;
  LimitHits* limit_hits;
  Reporter* reporter;
  std::string_view via_name;
};

// Serves until the connection ends (without a stream it returns) or has been idle for a second:
// then it comes back, to be parked without a coroutine.
net::Awaitable<IdleConnection> ServeHttp1(SessionContext context, IdleConnection connection);

// How long a connection that ServeHttp1 gave back may go on being idle.
Duration ParkedTimeout(const ListenerSettings& listener);

}  // namespace remora::proxy
