// Numbers, events and the page that shows them.
#include <gtest/gtest.h>
#include <zlib.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "proxy/net/asio_loop.h"
#include "proxy/observe/event_log.h"
#include "server/admin/admin.h"
#include "server/admin/dashboard.h"
#include "server/admin/http_server.h"
#include "server/admin/live_feeds.h"
#include "server/admin/stats.h"
#include "tests/unit/server/http_test_client.h"

namespace remora::server {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

// ---- Stats ----

proxy::ServerView View(const std::string& id) {
  proxy::ServerView view;
  view.pool = "default";
  view.id = id;
  view.reason = "<b>\"probe\"</b>";
  view.active = 3;
  return view;
}

ServerNumbers Numbers(const std::string& id, std::uint64_t requests) {
  return {.pool = "default",
          .id = id,
          .requests = requests,
          .failures = 1,
          .p50_ms = 1.5,
          .p99_ms = 20.25};
}

class StatsTest : public testing::Test {
 protected:
  json::value Look(proxy::Duration at, const std::vector<ServerNumbers>& numbers) {
    return json::parse(stats_.Look({View("a")}, false, numbers, start_ + at, proxy::WallTime()));
  }
  static json::value Rate(const json::value& look) {
    const json::object& server = look.at("servers").at(0).as_object();
    return server.contains("rps") ? server.at("rps") : nullptr;
  }

  Stats stats_;
  proxy::TimePoint start_ = proxy::Clock::now();
};

TEST_F(StatsTest, WhatIsNotCountedIsLeftOut) {
  const json::value look = Look(seconds(0), {});
  EXPECT_EQ(look.at("time"), "1970-01-01T00:00:00Z");
  const json::object& server = look.at("servers").at(0).as_object();
  EXPECT_EQ(server.at("active"), 3);
  EXPECT_EQ(server.at("state"), "WARMING");
  EXPECT_EQ(server.at("reason"), "<b>\"probe\"</b>");
  for (const char* key : {"requests", "failures", "rps", "p50_ms", "p99_ms"}) {
    EXPECT_FALSE(server.contains(key)) << key;
  }
  ServerNumbers unmeasured = Numbers("a", 0);
  unmeasured.p50_ms.reset();
  unmeasured.p99_ms.reset();
  EXPECT_FALSE(Look(seconds(1), {unmeasured}).at("servers").at(0).as_object().contains("p50_ms"));
}

TEST_F(StatsTest, ARateIsTakenBetweenTwoLooks) {
  EXPECT_EQ(Rate(Look(seconds(0), {Numbers("a", 100)})), nullptr);
  const json::value second = Look(seconds(2), {Numbers("a", 130)});
  EXPECT_EQ(Rate(second), 15.0);
  EXPECT_EQ(second.at("servers").at(0).at("p99_ms"), 20.25);
  // Looks in quick succession tell the same, and spoil nothing.
  EXPECT_EQ(Rate(Look(milliseconds(2100), {Numbers("a", 131)})), 15.0);
  EXPECT_EQ(Rate(Look(seconds(3), {Numbers("a", 140)})), 10.0);
}

TEST_F(StatsTest, ARateIsNotTakenOverALongTimeNorOfAnotherServerNorBackwards) {
  Look(seconds(0), {Numbers("a", 100)});
  EXPECT_EQ(Rate(Look(seconds(60), {Numbers("a", 200)})), nullptr);
  EXPECT_EQ(Rate(Look(seconds(61), {Numbers("a", 150)})), nullptr);
  EXPECT_EQ(Rate(Look(seconds(62), {Numbers("other", 160)})), nullptr);
}

// ---- the streams ----

class NoEvents : public proxy::BackendEvents {
  void OnDrained(const proxy::Backend&) override {}
  void OnConnectFailed(const proxy::Backend&) override {}
};

class LiveFeedsTest : public testing::Test {
 protected:
  LiveFeedsTest() {
    auto loop = std::make_unique<proxy::net::AsioLoop>();
    feeds_ = std::make_unique<LiveFeeds>(
        *loop,
        LiveSources{
            .registry = registry_, .events = log_, .version = "1 \"x\"", .allow_mutations = true});
    auto server =
        HttpServer::Open(*loop, "admin", "127.0.0.1:0", {}, [this](const HttpRequest& request) {
          AdminContext context{.readiness = readiness_, .limit_hits = hits_};
          context.registry = &registry_;
          context.feeds = feeds_.get();
          return AnswerAdmin(context, request);
        });
    EXPECT_TRUE(server.ok());
    served_ = std::make_unique<Served<HttpServer>>(std::move(loop), *std::move(server));
  }
  ~LiveFeedsTest() override {
    served_->Post([this] { feeds_->Stop(); });
    served_->Post([this] { feeds_.reset(); });
    served_.reset();
  }

  std::unique_ptr<Client> Open(const std::string& target, const std::string& fields = "") {
    auto client = std::make_unique<Client>(served_->server().address());
    client->Send("GET " + target + " HTTP/1.1\r\nHost: " + served_->server().address() + "\r\n" +
                 fields + "\r\n");
    const std::string head = client->ReadUntil("\r\n\r\n");
    EXPECT_NE(head.find("text/event-stream"), std::string::npos) << head;
    return client;
  }
  static proxy::Event Event(const std::string& to) {
    proxy::Event event;
    event.kind = "health";
    event.server = "a";
    event.to = to;
    return event;
  }
  static std::string Field(const std::string& message, const std::string& name) {
    const std::size_t begin = message.find(name + ": ");
    if (begin == std::string::npos) return "";
    return message.substr(begin + name.size() + 2,
                          message.find('\n', begin) - begin - name.size() - 2);
  }

  NoEvents no_events_;
  Readiness readiness_;
  proxy::LimitHits hits_;
  proxy::Registry registry_{{"default"}, &no_events_};
  proxy::EventLog log_;
  std::unique_ptr<LiveFeeds> feeds_;
  std::unique_ptr<Served<HttpServer>> served_;
};

TEST_F(LiveFeedsTest, EventsThatWereAndThatCome) {
  log_.Add(Event("first"));
  const auto client = Open("/events");
  const std::string first = client->ReadUntil("\n\n");
  EXPECT_EQ(Field(first, "event"), "event");
  const json::value data = json::parse(Field(first, "data"));
  EXPECT_EQ(data.at("id"), 1);
  EXPECT_EQ(data.at("kind"), "health");
  EXPECT_EQ(data.at("server"), "a");
  EXPECT_EQ(data.at("to"), "first");
  log_.Add(Event("line\nbreak"));
  const std::string second = client->ReadUntil("\n\n");
  EXPECT_EQ(json::parse(Field(second, "data")).at("to"), "line\nbreak");
}

TEST_F(LiveFeedsTest, AReaderGoesOnWhereItWas) {
  for (const char* to : {"1", "2", "3"}) log_.Add(Event(to));
  auto client = Open("/events");
  client->ReadUntil("\n\n");
  const std::string id = Field(client->ReadUntil("\n\n"), "id");
  client = Open("/events", "Last-Event-ID: " + id + "\r\n");
  EXPECT_EQ(json::parse(Field(client->ReadUntil("\n\n"), "data")).at("to"), "3");
}

TEST_F(LiveFeedsTest, AnIdOfAnotherProcessMeansNothing) {
  log_.Add(Event("1"));
  for (const char* id : {"1", "zzzzzzzz-1", "-", "99999999999999999999"}) {
    const auto client = Open("/events", std::string("Last-Event-ID: ") + id + "\r\n");
    EXPECT_EQ(json::parse(Field(client->ReadUntil("\n\n"), "data")).at("to"), "1") << id;
  }
}

TEST_F(LiveFeedsTest, NumbersComeAtOnceAndEachSecond) {
  ASSERT_TRUE(registry_.Add("", "a", {.url = "h:1", .labels = {}}, "api").ok());
  const auto client = Open("/stats", "Accept: text/event-stream\r\n");
  for (int i = 0; i < 2; ++i) {
    const std::string message = client->ReadUntil("\n\n");
    EXPECT_EQ(Field(message, "event"), "stats");
    const json::value look = json::parse(Field(message, "data"));
    EXPECT_EQ(look.at("servers").at(0).at("id"), "a");
    EXPECT_EQ(look.at("version"), "1 \"x\"");
    EXPECT_EQ(look.at("mutations"), true);
    EXPECT_EQ(look.at("can_drain"), false);
    EXPECT_EQ(look.at("more"), false);
  }
}

TEST_F(LiveFeedsTest, OneStreamMayHaveBoth) {
  log_.Add(Event("1"));
  const auto client = Open("/events?stats=1");
  EXPECT_EQ(Field(client->ReadUntil("\n\n"), "event"), "stats");
  EXPECT_EQ(Field(client->ReadUntil("\n\n"), "event"), "event");
}

TEST_F(LiveFeedsTest, WhoDoesNotAskForAStreamGetsTheNumbersOnce) {
  Client client(served_->server().address());
  client.Send("GET /stats HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n");
  const std::string answer = client.ReadAll();
  EXPECT_NE(answer.find("Content-Type: application/json"), std::string::npos) << answer;
  EXPECT_NE(answer.find("\"servers\":[]"), std::string::npos) << answer;
}

// ---- the page ----

HttpAnswer Page(std::string_view accept_encoding = "", std::string_view if_none_match = "") {
  HttpRequest request{.method = "GET", .path = "/", .query = {}};
  request.accept_encoding = accept_encoding;
  request.if_none_match = if_none_match;
  return AnswerDashboard(request);
}

std::string FieldOf(const HttpAnswer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.fields) {
    if (key == name) return value;
  }
  return "";
}

TEST(DashboardTest, NothingRunsButWhatIsInIt) {
  const std::string policy = FieldOf(Page(), "Content-Security-Policy");
  for (const char* part :
       {"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'",
        "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"}) {
    EXPECT_NE(policy.find(part), std::string::npos) << policy;
  }
  EXPECT_EQ(policy.find("unsafe"), std::string::npos) << policy;
  EXPECT_EQ(FieldOf(Page(), "Referrer-Policy"), "no-referrer");
}

TEST(DashboardTest, NothingComesFromElsewhereAndNothingIsPutInAsMarkup) {
  const std::string page = Page().body;
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
  for (const char* never : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                            "eval(", "src=", "@import", "url(", "onclick=", "style=\""}) {
    EXPECT_EQ(page.find(never), std::string::npos) << never;
  }
}

TEST(DashboardTest, ItIsCompressedForWhoTakesIt) {
  const HttpAnswer packed = Page("br, gzip;q=0.5");
  EXPECT_EQ(FieldOf(packed, "Content-Encoding"), "gzip");
  EXPECT_EQ(FieldOf(packed, "Vary"), "Accept-Encoding");
  const std::string plain = Page().body;
  EXPECT_EQ(FieldOf(Page(), "Content-Encoding"), "");
  EXPECT_LT(packed.body.size(), plain.size() / 2);
  std::string unpacked(plain.size() + 1, '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.body.data()));
  stream.avail_in = static_cast<uInt>(packed.body.size());
  stream.next_out = reinterpret_cast<Bytef*>(unpacked.data());
  stream.avail_out = static_cast<uInt>(unpacked.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  unpacked.resize(stream.total_out);
  inflateEnd(&stream);
  EXPECT_EQ(unpacked, plain);
}

TEST(DashboardTest, WhoTakesGzip) {
  for (const char* field : {"gzip", "GZIP", "br, gzip", "gzip;q=1", "gzip; q=0.001"}) {
    EXPECT_TRUE(TakesGzip(field)) << field;
  }
  for (const char* field : {"", "br", "identity", "gzip;q=0", "gzip; q=0.000", "xgzip"}) {
    EXPECT_FALSE(TakesGzip(field)) << field;
  }
}

TEST(DashboardTest, WhoHasItAlreadyIsToldSo) {
  const std::string tag = FieldOf(Page("gzip"), "ETag");
  EXPECT_NE(tag, FieldOf(Page(), "ETag"));
  EXPECT_EQ(Page("gzip", tag).status, 304U);
  EXPECT_EQ(Page("gzip", tag).body, "");
  EXPECT_EQ(Page("", tag).status, 200U);
  EXPECT_EQ(Page("gzip", "\"other\"").status, 200U);
}

}  // namespace
}  // namespace remora::server
