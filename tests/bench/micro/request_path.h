// What a proxied request costs beside its sockets: the calls of session, forwarder and upstream
// connection in their order, on heads that lie in memory. What is measured are the product's own
// functions; only the few lines that call them are repeated here.
//
// One thread. Lifetime: nothing outlives the path.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/balance/least_active.h"
#include "proxy/base/http_date.h"
#include "proxy/base/request_id.h"
#include "proxy/message/head.h"
#include "proxy/message/head_parser.h"
#include "proxy/observe/access_log.h"
#include "proxy/observe/metrics.h"
#include "proxy/observe/reporter.h"
#include "proxy/observe/request_record.h"
#include "proxy/registry/backend_set.h"

namespace remora::bench {

// A browser's GET of 9 fields, or one of 33; with an X-Request-ID if `identified`.
std::string RequestBytes(std::size_t fields, bool identified = false);
// A web server's answer of 10 fields and 2 bytes of body, or one of 33.
std::string ResponseBytes(std::size_t fields);

// Backends "s0", "s1", ... that may be picked.
class Backends {
 public:
  Backends(std::size_t count, proxy::ServerTable& table);
  const proxy::BackendSet& set() const { return set_; }

 private:
  class NoEvents final : public proxy::BackendEvents {
    void OnDrained(const proxy::Backend&) override {}
    void OnConnectFailed(const proxy::Backend&) override {}
  };
  NoEvents events_;
  proxy::BackendSet set_;
};

class RequestPath {
 public:
  struct Options {
    std::size_t request_fields = 9;
    std::size_t response_fields = 10;
    std::size_t backends = 3;
    bool access_log = false;  // to /dev/null
  };
  explicit RequestPath(const Options& options);

  // One request and its answer. Ends the process if the path refuses it.
  void Run();

  // Parts of it, for those that measure them alone.
  void ReadRequest(proxy::message::RequestHead& head);
  void WriteRequest(const proxy::message::RequestHead& head, const proxy::Backend& backend,
                    std::string_view request_id);
  void ReadResponse(const proxy::message::RequestHead& request, proxy::message::ResponseHead& head);
  void WriteResponse(const proxy::message::RequestHead& request,
                     const proxy::message::ResponseHead& head, std::string_view request_id);
  proxy::Reporter& reporter() { return *reporter_; }
  const Backends& backends() const { return *backends_; }

 private:
  const std::string request_;
  const std::string response_;
  const proxy::message::HeadLimits limits_;
  proxy::Metrics metrics_;
  std::unique_ptr<Backends> backends_;
  std::unique_ptr<proxy::AccessLog> access_log_;
  std::unique_ptr<proxy::Reporter> reporter_;
  proxy::LeastActive balancer_;
  proxy::RequestIdSource request_ids_;
  proxy::HttpDateCache date_;
  proxy::message::HeadScanner request_scanner_;
  proxy::message::HeadScanner response_scanner_;
  std::string upstream_head_;
};

}  // namespace remora::bench
