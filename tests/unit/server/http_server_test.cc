// The small HTTP server: framing, limits, streams of events, and what it does to clients that are
// slow, large or many.
#include "server/admin/http_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "proxy/net/asio_loop.h"
#include "server/demo/demo_backends.h"
#include "tests/unit/server/http_test_client.h"

namespace remora::server {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<Served<HttpServer>> Serve(HttpServerLimits limits) {
  auto loop = std::make_unique<proxy::net::AsioLoop>();
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
  proxy::net::AsioLoop loop;
  const auto again = HttpServer::Open(loop, "admin", served->server().address(), {}, {});
  ASSERT_FALSE(again.ok());
  EXPECT_NE(std::string(again.status().message())
                .find("cannot bind admin " + served->server().address() + ": stop the process"),
            std::string::npos)
      << again.status();
}

TEST(DemoBackendsTest, EachNamesItselfAndIsHealthy) {
  auto loop = std::make_unique<proxy::net::AsioLoop>();
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

// ---- what a handler is told and may say ----

std::unique_ptr<Served<HttpServer>> Serve(HttpServerLimits limits, HttpServer::Handler handler) {
  auto loop = std::make_unique<proxy::net::AsioLoop>();
  auto server = HttpServer::Open(*loop, "admin", "127.0.0.1:0", limits, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status();
  return std::make_unique<Served<HttpServer>>(std::move(loop), *std::move(server));
}

TEST(HttpServerTest, AHandlerSeesBodyFieldsAndPeer) {
  const auto served = Serve({}, [](const HttpRequest& request) {
    const std::string text =
        std::string(request.body) + "|" + std::string(request.host) + "|" +
        std::string(request.origin) + "|" + std::string(request.accept) + "|" +
        std::string(request.accept_encoding) + "|" + std::string(request.content_type) + "|" +
        std::string(request.if_none_match) + "|" + std::string(request.last_event_id) + "|" +
        std::string(request.sec_fetch_site) + "|" + (request.peer_is_loopback ? "loopback" : "");
    EXPECT_TRUE(request.peer.starts_with("127.0.0.1:"));
    return HttpAnswer{.body = text + "|" + std::to_string(request.local_port) + "\n"};
  });
  Client client(served->server().address());
  client.Send(
      "POST / HTTP/1.1\r\nHost: h:1\r\nOrigin: http://o\r\nAccept: a/b\r\nAccept-Encoding: gzip\r\n"
      "Content-Type: c/d\r\nIf-None-Match: \"e\"\r\nLast-Event-ID: 7\r\nSec-Fetch-Site: none\r\n"
      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  const std::string port = served->server().address().substr(sizeof "127.0.0.1:" - 1);
  const std::string expected =
      "abcde|h:1|http://o|a/b|gzip|c/d|\"e\"|7|none|loopback|" + port + "\n";
  EXPECT_TRUE(client.ReadUntil("\n" + expected).ends_with(expected));
  // Nothing of it is left for the next request.
  client.Send("GET / HTTP/1.1\r\n\r\n");
  const std::string nothing = "|||||||||loopback|" + port + "\n";
  EXPECT_TRUE(client.ReadUntil("\n" + nothing).ends_with("\n" + nothing));
}

TEST(HttpServerTest, ABodyUpToTheLimitArrivesWhole) {
  const std::string sent(60'000, 'x');
  const auto served = Serve(
      {}, [](const HttpRequest& request) { return HttpAnswer{.body = std::string(request.body)}; });
  Client client(served->server().address());
  client.Send("POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n" + sent);
  EXPECT_TRUE(client.ReadAll().ends_with("\r\n\r\n" + sent));
}

TEST(HttpServerTest, AChunkedBodyBeyondTheLimitIs413) {
  const auto served = Serve({.body_bytes = 4}, [](const HttpRequest&) {
    ADD_FAILURE() << "the handler was asked";
    return HttpAnswer();
  });
  Client client(served->server().address());
  client.Send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n");
  EXPECT_TRUE(client.ReadUntil("\r\n").starts_with("HTTP/1.1 413"));
}

TEST(HttpServerTest, AServerThatDropsBodiesReadsThemToTheEnd) {
  const auto served = Serve({.keep_bodies = false}, [](const HttpRequest& request) {
    return HttpAnswer{.body = "[" + std::string(request.body) + "]\n"};
  });
  Client client(served->server().address());
  for (int i = 0; i < 2; ++i) {
    client.Send("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_TRUE(client.ReadUntil("[]\n").starts_with("HTTP/1.1 200"));
  }
}

TEST(HttpServerTest, AFieldThatChecksRestOnIsRefusedWhenItIsRepeated) {
  for (const std::string name : {"Host", "Origin", "Content-Type"}) {
    const auto served = Serve({}, [](const HttpRequest&) {
      ADD_FAILURE() << "the handler was asked";
      return HttpAnswer();
    });
    Client client(served->server().address());
    client.Send("GET / HTTP/1.1\r\n" + name + ": a\r\n" + name + ": a\r\n\r\n");
    EXPECT_TRUE(client.ReadUntil("\r\n").starts_with("HTTP/1.1 400")) << name;
  }
}

TEST(HttpServerTest, FieldsOfAnAnswerAreSentAndReplaceOurOwn) {
  const auto served = Serve({}, [](const HttpRequest&) {
    return HttpAnswer{.body = "x", .fields = {{"Cache-Control", "no-cache"}, {"ETag", "\"1\""}}};
  });
  Client client(served->server().address());
  client.Send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string answer = client.ReadAll();
  EXPECT_NE(answer.find("\r\nCache-Control: no-cache\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find("\r\nETag: \"1\"\r\n"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("no-store"), std::string::npos) << answer;
}

TEST(HttpServerTest, A304HasNeitherBodyNorLength) {
  const auto served =
      Serve({}, [](const HttpRequest&) { return HttpAnswer{.status = 304, .body = "x"}; });
  Client client(served->server().address());
  client.Send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string answer = client.ReadAll();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 304")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
  EXPECT_EQ(answer.find("Content-Length"), std::string::npos) << answer;
}

// ---- streams of events ----

constexpr char kAskStream[] = "GET /s HTTP/1.1\r\nHost: h\r\n\r\n";

TEST(EventStreamTest, AMessageIsWrittenAsTheStandardSays) {
  EXPECT_EQ(EventText("", "", "x"), "data: x\n\n");
  EXPECT_EQ(EventText("state", "a-1", "{}"), "event: state\nid: a-1\ndata: {}\n\n");
}

TEST(EventStreamTest, WhatIsSentArrivesAtOnceAndInOrder) {
  std::promise<std::shared_ptr<EventStream>> opened;
  auto served = Serve({}, [&](const HttpRequest&) {
    return HttpAnswer{.stream = [&](std::shared_ptr<EventStream> stream) {
      stream->Send(EventText("", "", "one"));
      opened.set_value(std::move(stream));
    }};
  });
  Client client(served->server().address());
  client.Send(kAskStream);
  const std::string head = client.ReadUntil("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
  EXPECT_NE(head.find("Content-Type: text/event-stream; charset=utf-8\r\n"), std::string::npos);
  EXPECT_NE(head.find("Cache-Control: no-store\r\n"), std::string::npos) << head;
  EXPECT_EQ(client.ReadUntil("\n\n"), "data: one\n\n");
  std::shared_ptr<EventStream> stream = opened.get_future().get();
  served->Post([stream] {
    EXPECT_TRUE(stream->Send(EventText("", "", "two")));
    EXPECT_TRUE(stream->Send(EventText("", "", "three")));
  });
  EXPECT_EQ(client.ReadUntil("three\n\n"), "data: two\n\ndata: three\n\n");
  served->Post([stream = std::move(stream)] { stream->Close(); });
  EXPECT_EQ(client.ReadAll(), "");
}

TEST(EventStreamTest, AHeadRequestGetsNoStream) {
  const auto served = Serve({}, [&](const HttpRequest&) {
    return HttpAnswer{.stream = [](const std::shared_ptr<EventStream>&) { ADD_FAILURE(); }};
  });
  Client client(served->server().address());
  client.Send("HEAD /s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.ReadAll().starts_with("HTTP/1.1 200"));
}

TEST(EventStreamTest, ASilentStreamHasAHeartbeat) {
  const auto served = Serve({.heartbeat = milliseconds(20)}, [](const HttpRequest&) {
    return HttpAnswer{.stream = [](const std::shared_ptr<EventStream>&) {}};
  });
  Client client(served->server().address());
  client.Send(kAskStream);
  client.ReadUntil("\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\n\n"), ":\n\n");
  EXPECT_EQ(client.ReadUntil("\n\n"), ":\n\n");
}

TEST(EventStreamTest, TheHandlerIsToldWhenTheReaderGoes) {
  std::promise<void> closed;
  auto served = Serve({}, [&](const HttpRequest&) {
    return HttpAnswer{.stream = [&](const std::shared_ptr<EventStream>& stream) {
      stream->Send(EventText("", "", "hello"));
      stream->OnClosed([&] { closed.set_value(); });
    }};
  });
  {
    Client client(served->server().address());
    client.Send(kAskStream);
    client.ReadUntil("hello\n\n");
  }
  EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(EventStreamTest, AReaderThatDoesNotKeepUpIsCutAndCounted) {
  std::promise<std::shared_ptr<EventStream>> opened;
  auto served = Serve({.exchange = std::chrono::minutes(10)}, [&](const HttpRequest&) {
    return HttpAnswer{.stream = [&](std::shared_ptr<EventStream> stream) {
      opened.set_value(std::move(stream));
    }};
  });
  Client client(served->server().address());
  client.Send(kAskStream);
  client.ReadUntil("\r\n\r\n");
  std::shared_ptr<EventStream> stream = opened.get_future().get();
  // The sockets' buffers take some megabytes at most; then the queue fills up.
  bool open = true;
  const std::string message = EventText("", "", std::string(64 * 1024, 'x'));
  for (int i = 0; i < 10'000 && open; ++i) {
    std::promise<bool> sent;
    served->Post([&] { sent.set_value(stream->Send(message)); });
    open = sent.get_future().get();
  }
  EXPECT_FALSE(open);
  EXPECT_TRUE(client.ReadAll().ends_with("x\n\n"));
  std::promise<std::uint64_t> cut;
  served->Post([&] {
    stream.reset();
    cut.set_value(served->server().streams_cut());
  });
  EXPECT_EQ(cut.get_future().get(), 1U);
}

TEST(EventStreamTest, AMessageLongerThanTheQueueIsSentWhenNothingWaits) {
  const std::string longest(EventStream::kMaxQueued * 2, 'x');
  auto served = Serve({}, [&](const HttpRequest&) {
    return HttpAnswer{.stream = [&](const std::shared_ptr<EventStream>& stream) {
      EXPECT_TRUE(stream->idle());
      EXPECT_TRUE(stream->Send(EventText("", "", longest)));
      EXPECT_FALSE(stream->idle());
    }};
  });
  Client client(served->server().address());
  client.Send(kAskStream);
  client.ReadUntil("\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\n\n").size(), longest.size() + sizeof "data: \n\n" - 1);
}

TEST(EventStreamTest, StreamsBeyondTheLimitAre503AndThePlaceIsUsedAgain) {
  auto served = Serve({.streams = 1}, [](const HttpRequest&) {
    return HttpAnswer{.stream = [](const std::shared_ptr<EventStream>&) {}};
  });
  {
    Client first(served->server().address());
    first.Send(kAskStream);
    first.ReadUntil("\r\n\r\n");
    Client second(served->server().address());
    second.Send(kAskStream);
    const std::string answer = second.ReadUntil("later\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503")) << answer;
    EXPECT_NE(answer.find("\r\nRetry-After: 5\r\n"), std::string::npos) << answer;
  }
  // The place is free when the server has seen the end, which may be a moment later.
  std::string head;
  for (int i = 0; i < 1000 && !head.starts_with("HTTP/1.1 200"); ++i) {
    Client third(served->server().address());
    third.Send(kAskStream);
    head = third.ReadUntil("\r\n\r\n");
  }
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200")) << head;
}

TEST(EventStreamTest, StoppingClosesStreams) {
  auto served = Serve({}, [](const HttpRequest&) {
    return HttpAnswer{.stream = [](const std::shared_ptr<EventStream>&) {}};
  });
  Client client(served->server().address());
  client.Send(kAskStream);
  client.ReadUntil("\r\n\r\n");
  served.reset();
  EXPECT_EQ(client.ReadAll(), "");
}

}  // namespace
}  // namespace remora::server
