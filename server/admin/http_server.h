// A small HTTP/1.1 server for answers made here: the admin port and the demo backends. Not for
// proxied traffic. Beast is in its .cc and nowhere else in server/.
//
// Everything is bounded: head, body, time, connections, streams of events. At the limit on
// connections the oldest that has not sent a full request makes room for a new one. One thread:
// that of the loop. Lifetime: the loop outlives it; it may be destroyed as soon as Stop was called
// and the loop has ended, as sessions refer to it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proxy/net/asio_loop.h"
#include "server/admin/event_stream.h"

namespace remora::server {

// A field that was not sent is empty. Host, Origin and Content-Type are there at most once.
struct HttpRequest {
  std::string_view method;
  std::string_view path;       // without the query
  std::string_view query;      // behind the '?', else empty
  std::string_view body = {};  // empty where the server does not keep them
  std::string_view host = {};
  std::string_view origin = {};
  std::string_view accept = {};
  std::string_view accept_encoding = {};
  std::string_view content_type = {};
  std::string_view if_none_match = {};
  std::string_view last_event_id = {};
  std::string_view sec_fetch_site = {};
  std::string_view peer = {};  // "127.0.0.1:40312"
  bool peer_is_loopback = false;
  std::uint16_t local_port = 0;  // of the connection
};

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::string allow = {};  // the Allow field of a 405
  // Further fields; one of a name that the server sets itself (Cache-Control) replaces it.
  std::vector<std::pair<std::string, std::string>> fields = {};
  // Instead of a body: called with a stream of Server-Sent Events as soon as the head is sent.
  std::function<void(std::shared_ptr<EventStream>)> stream = {};
};

struct HttpServerLimits {
  std::size_t connections = 64;
  std::uint32_t head_bytes = 8 * 1024;
  std::uint64_t body_bytes = 64 * 1024;
  bool keep_bodies = true;  // else they are read and dropped
  std::size_t streams = 16;
  std::chrono::milliseconds heartbeat{15000};  // of a stream: a comment when nothing else is sent
  std::chrono::milliseconds idle{5000};        // between requests
  std::chrono::milliseconds exchange{5000};    // from the first byte to the last of the answer
};

class HttpServer {
 public:
  // Called on the loop's thread; must not block. The views end with the call.
  using Handler = std::function<HttpAnswer(const HttpRequest&)>;

  // Binds `address` ("ip:port", port 0 picks one); `name` is for messages: "admin". The message of
  // an error names the address and says what to do. Clients wait in the backlog until Start.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Open(proxy::net::AsioLoop& loop,
                                                          std::string name,
                                                          std::string_view address,
                                                          HttpServerLimits limits, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // As bound, with the real port.
  const std::string& address() const;
  // Streams of events whose reader was too slow.
  std::uint64_t streams_cut() const;

  void Start();
  // Closes the listener and every connection.
  void Stop();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace remora::server
