// What the admin port answers, and what it does to clients that are slow, large or many.
#include "server/admin/admin.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proxy/base/socket_address.h"
#include "proxy/net/loop.h"
#include "server/admin/http_server.h"
#include "server/config/values.h"
#include "server/demo/demo_backends.h"
#include "server/readiness.h"

namespace remora::server {
namespace {

using std::chrono::milliseconds;

HttpAnswer Ask(const Readiness& readiness, std::string_view path, std::string_view query = "",
               std::string_view method = "GET") {
  const proxy::LimitHits no_hits;
  return AnswerAdmin({readiness, no_hits}, {.method = method, .path = path, .query = query});
}

TEST(ReadinessTest, IsReadyOnceBoundAndFilledUntilItDrains) {
  Readiness readiness;
  EXPECT_EQ(readiness.reasons().size(), 2U);
  EXPECT_FALSE(readiness.started());
  readiness.RegistryFilled();
  EXPECT_FALSE(readiness.ready());
  readiness.ListenersBound();
  EXPECT_TRUE(readiness.ready());
  EXPECT_TRUE(readiness.started());
  readiness.BeginDrain();
  EXPECT_FALSE(readiness.ready());
  EXPECT_TRUE(readiness.started());
  EXPECT_EQ(readiness.reasons(), std::vector<std::string>{"draining"});
}

TEST(AdminTest, MetricsHaveASeriesForEachLimitFromTheStart) {
  const Readiness readiness;
  proxy::LimitHits hits;
  hits.Add(proxy::Limit::kHeadBytes);
  hits.Add(proxy::Limit::kHeadBytes);
  hits.Add(proxy::Limit::kNone);
  const HttpAnswer answer =
      AnswerAdmin({readiness, hits}, {.method = "GET", .path = "/metrics", .query = ""});
  EXPECT_EQ(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(answer.body.find("\n# TYPE remora_limit_hits_total counter\n"), std::string::npos);
  EXPECT_NE(answer.body.find("\nremora_limit_hits_total{limit=\"head_bytes\"} 2\n"),
            std::string::npos);
  EXPECT_NE(answer.body.find("\nremora_limit_hits_total{limit=\"max_active\"} 0\n"),
            std::string::npos);
  EXPECT_EQ(answer.body.find("\"none\""), std::string::npos);
}

TEST(AdminTest, LivezIsOkFromTheStart) {
  const Readiness readiness;
  EXPECT_EQ(Ask(readiness, "/livez").status, 200U);
  EXPECT_EQ(Ask(readiness, "/livez").body, "ok\n");
}

TEST(AdminTest, ReadyzTellsTheReasons) {
  Readiness readiness;
  EXPECT_EQ(Ask(readiness, "/readyz").status, 503U);
  readiness.RegistryFilled();
  EXPECT_EQ(Ask(readiness, "/readyz").body, "the data listeners are not bound yet\n");
  readiness.ListenersBound();
  EXPECT_EQ(Ask(readiness, "/readyz").status, 200U);
  EXPECT_EQ(Ask(readiness, "/readyz").body, "ok\n");
  readiness.BeginDrain();
  EXPECT_EQ(Ask(readiness, "/readyz").status, 503U);
  EXPECT_EQ(Ask(readiness, "/readyz", "verbose").body,
            "[+]registry ok\n[+]listeners ok\n[-]draining failed: draining\n[+]config ok\n");
  EXPECT_EQ(Ask(readiness, "/readyz", "verbose").status, 503U);
}

TEST(AdminTest, AConfigurationThatCanNotBeReloadedIsToldAndDoesNotMakeItUnready) {
  Readiness readiness;
  readiness.RegistryFilled();
  readiness.ListenersBound();
  readiness.ConfigProblem("c.yaml:1:1: no");
  EXPECT_EQ(Ask(readiness, "/readyz").body, "ok\n");
  EXPECT_EQ(Ask(readiness, "/readyz", "verbose").status, 200U);
  EXPECT_EQ(Ask(readiness, "/readyz", "verbose").body,
            "[+]registry ok\n[+]listeners ok\n[+]draining ok\n"
            "[!]config failed: c.yaml:1:1: no\n");
}

TEST(AdminTest, StartupzStaysOkWhileDraining) {
  Readiness readiness;
  EXPECT_EQ(Ask(readiness, "/startupz").status, 503U);
  readiness.RegistryFilled();
  readiness.ListenersBound();
  readiness.BeginDrain();
  EXPECT_EQ(Ask(readiness, "/startupz").status, 200U);
}

TEST(AdminTest, WhatIsNotThereIs404AndWhatIsNotAllowed405) {
  const Readiness readiness;
  EXPECT_EQ(Ask(readiness, "/").status, 404U);
  EXPECT_EQ(Ask(readiness, "/livez/").status, 404U);
  EXPECT_EQ(Ask(readiness, "/").body, "{\"reason\":\"not_found\"}\n");
  EXPECT_EQ(Ask(readiness, "/").content_type, "application/json");
  const HttpAnswer answer = Ask(readiness, "/livez", "", "POST");
  EXPECT_EQ(answer.status, 405U);
  EXPECT_EQ(answer.allow, "GET, HEAD");
}

// ---- over sockets ----

class Client {
 public:
  explicit Client(const std::string& address) {
    const IpPort parsed = *ParseIpPort(address);
    const auto socket_address = *proxy::SocketAddress::FromIp(parsed.ip, parsed.port);
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(connect(fd_, socket_address.data(), socket_address.size()), 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(fd_); }

  void Send(const std::string& text) {
    EXPECT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Up to and with `end`, or to the end of the stream.
  std::string ReadUntil(const std::string& end) {
    std::string text;
    char byte = 0;
    while (!text.ends_with(end) && recv(fd_, &byte, 1, 0) == 1) text += byte;
    return text;
  }
  std::string ReadAll() { return ReadUntil("\x01 never"); }

 private:
  int fd_ = -1;
};

// A loop on a thread of its own, ended with the server that was given to it.
template <class Server>
class Served {
 public:
  explicit Served(std::unique_ptr<proxy::net::Loop> loop, std::unique_ptr<Server> server)
      : loop_(std::move(loop)), server_(std::move(server)), thread_([this] {
          server_->Start();
          loop_->Run();
        }) {}
  ~Served() {
    loop_->Post([this] {
      server_->Stop();
      loop_->Close();
    });
    thread_.join();
  }
  Server& server() { return *server_; }

 private:
  std::unique_ptr<proxy::net::Loop> loop_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

std::unique_ptr<Served<HttpServer>> Serve(HttpServerLimits limits) {
  auto loop = std::make_unique<proxy::net::Loop>();
  auto server =
      HttpServer::Open(*loop, "admin", "127.0.0.1:0", limits, [](const HttpRequest& request) {
        return HttpAnswer{.body = std::string(request.method) + " " + std::string(request.path) +
                                  " " + std::string(request.query) + "\n"};
      });
  EXPECT_TRUE(server.ok()) << server.status();
  return std::make_unique<Served<HttpServer>>(std::move(loop), *std::move(server));
}

TEST(HttpServerTest, RequestsOfOneConnectionAreAnsweredInOrder) {
  const auto served = Serve({});
  Client client(served->server().address());
  client.Send(
      "GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: "
      "5\r\n\r\nhelloHEAD /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.ReadUntil("GET /a x=1\n").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(client.ReadUntil("POST /b \n").starts_with("HTTP/1.1 200 OK\r\n"));
  const std::string last = client.ReadAll();
  EXPECT_NE(last.find("Content-Length: 9\r\n"), std::string::npos) << last;
  EXPECT_TRUE(last.ends_with("\r\n\r\n")) << last;
}

TEST(HttpServerTest, AClientThatAsksMayContinueWithItsBody) {
  const auto served = Serve({});
  Client client(served->server().address());
  client.Send("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_TRUE(client.ReadUntil("\r\n\r\n").starts_with("HTTP/1.1 100"));
  client.Send("ok");
  EXPECT_TRUE(client.ReadUntil("PUT / \n").starts_with("HTTP/1.1 200"));
}

TEST(HttpServerTest, TooLargeAHeadIs431AndTooLargeABody413) {
  const auto served = Serve({.head_bytes = 1024, .body_bytes = 100});
  Client head(served->server().address());
  head.Send("GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n");
  EXPECT_TRUE(head.ReadUntil("\r\n").starts_with("HTTP/1.1 431"));
  Client body(served->server().address());
  body.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
  EXPECT_TRUE(body.ReadUntil("\r\n").starts_with("HTTP/1.1 413"));
}

TEST(HttpServerTest, WhatIsNotHttpIs400) {
  const auto served = Serve({});
  Client client(served->server().address());
  client.Send("\x16\x03\x01 nonsense\r\n\r\n");
  EXPECT_TRUE(client.ReadAll().starts_with("HTTP/1.1 400"));
}

TEST(HttpServerTest, ASilentAndASlowClientAreClosed) {
  const auto served = Serve({.idle = milliseconds(100), .exchange = milliseconds(100)});
  Client silent(served->server().address());
  EXPECT_EQ(silent.ReadAll(), "");
  Client slow(served->server().address());
  slow.Send("GET / HT");
  EXPECT_EQ(slow.ReadAll(), "");
}

TEST(HttpServerTest, ConnectionsBeyondTheLimitAreClosedAndThePlaceIsUsedAgain) {
  const auto served = Serve({.connections = 1});
  {
    Client first(served->server().address());
    first.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    first.ReadUntil("GET / \n");
    Client second(served->server().address());
    EXPECT_EQ(second.ReadAll(), "");
    first.Send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    first.ReadAll();
  }
  // The place is free when the server has seen the end, which may be a moment later.
  std::string answer;
  for (int i = 0; i < 1000 && answer.empty(); ++i) {
    Client third(served->server().address());
    third.Send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    answer = third.ReadAll();
  }
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
}

TEST(HttpServerTest, AtTheLimitTheOldestThatHasNotAskedMakesRoom) {
  const std::string ask = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  const auto served = Serve(
      {.connections = 3, .idle = std::chrono::minutes(10), .exchange = std::chrono::minutes(10)});
  Client asked(served->server().address());
  asked.Send(ask);
  EXPECT_TRUE(asked.ReadUntil("GET / \n").starts_with("HTTP/1.1 200"));
  Client silent(served->server().address());
  Client half(served->server().address());
  half.Send("GET / HT");
  Client fourth(served->server().address());
  EXPECT_EQ(silent.ReadAll(), "");
  fourth.Send(ask);
  EXPECT_TRUE(fourth.ReadUntil("GET / \n").starts_with("HTTP/1.1 200"));
  Client fifth(served->server().address());
  EXPECT_EQ(half.ReadAll(), "");
  fifth.Send(ask);
  EXPECT_TRUE(fifth.ReadUntil("GET / \n").starts_with("HTTP/1.1 200"));
  // Those that have asked stay.
  asked.Send(ask);
  EXPECT_TRUE(asked.ReadUntil("GET / \n").starts_with("HTTP/1.1 200"));
}

TEST(HttpServerTest, SilentConnectionsDoNotKeepOutWhoAsks) {
  const auto served = Serve({.idle = std::chrono::minutes(10)});
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 80; ++i) {
    silent.push_back(std::make_unique<Client>(served->server().address()));
  }
  Client client(served->server().address());
  client.Send("GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(client.ReadUntil("GET /livez \n").starts_with("HTTP/1.1 200"));
}

TEST(HttpServerTest, StoppingClosesOpenConnections) {
  auto served = Serve({.idle = std::chrono::minutes(10)});
  Client client(served->server().address());
  client.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  client.ReadUntil("GET / \n");
  served.reset();
  EXPECT_EQ(client.ReadAll(), "");
}

TEST(HttpServerTest, AnAddressInUseIsToldWithARemedy) {
  const auto served = Serve({});
  proxy::net::Loop loop;
  const auto again = HttpServer::Open(loop, "admin", served->server().address(), {}, {});
  ASSERT_FALSE(again.ok());
  EXPECT_NE(std::string(again.status().message())
                .find("cannot bind admin " + served->server().address() + ": stop the process"),
            std::string::npos)
      << again.status();
}

TEST(DemoBackendsTest, EachNamesItselfAndIsHealthy) {
  auto loop = std::make_unique<proxy::net::Loop>();
  auto opened = DemoBackends::Open(*loop);
  ASSERT_TRUE(opened.ok()) << opened.status();
  Served<DemoBackends> served(std::move(loop), *std::move(opened));
  const auto backends = served.server().backends();
  ASSERT_EQ(backends.size(), 3U);
  for (const auto& backend : backends) {
    Client client(backend.url.substr(std::string("http://").size()));
    client.Send("PUT /x/y HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nz");
    EXPECT_NE(client.ReadUntil(")\n").find("hello from " + backend.id + " (PUT /x/y)\n"),
              std::string::npos);
    client.Send("GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(client.ReadAll().starts_with("HTTP/1.1 200"));
  }
}

}  // namespace
}  // namespace remora::server
