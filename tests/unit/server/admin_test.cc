// What the admin port answers.
#include "server/admin/admin.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proxy/base/log.h"
#include "server/admin/http_server.h"
#include "server/readiness.h"

namespace remora::server {
namespace {

HttpAnswer Ask(const Readiness& readiness, std::string_view path, std::string_view query = "",
               std::string_view method = "GET") {
  const proxy::LimitHits no_hits;
  return AnswerAdmin({readiness, no_hits}, {.method = method, .path = path, .query = query});
}

TEST(ReadinessTest, IsReadyOnceBoundAndFilledUntilItDrains) {
  Readiness readiness;
  EXPECT_EQ(readiness.reasons().size(), 2U);
  EXPECT_FALSE(readiness.started());
  readiness.ServersProbed();
  EXPECT_FALSE(readiness.ready());
  readiness.ListenersBound();
  EXPECT_TRUE(readiness.ready());
  EXPECT_TRUE(readiness.started());
  readiness.BeginDrain(proxy::DrainScope::kAll);
  EXPECT_FALSE(readiness.ready());
  EXPECT_TRUE(readiness.started());
  EXPECT_EQ(readiness.reasons(), std::vector<std::string>{"draining"});
}

TEST(ReadinessTest, ADrainOfInboundSaysSoUntilAllDrains) {
  Readiness readiness;
  readiness.ServersProbed();
  readiness.ListenersBound();
  readiness.BeginDrain(proxy::DrainScope::kInbound);
  EXPECT_EQ(readiness.reasons(), std::vector<std::string>{"inbound draining"});
  readiness.BeginDrain(proxy::DrainScope::kAll);
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
  readiness.ServersProbed();
  EXPECT_EQ(Ask(readiness, "/readyz").body, "the data listeners are not bound yet\n");
  readiness.ListenersBound();
  EXPECT_EQ(Ask(readiness, "/readyz").status, 200U);
  EXPECT_EQ(Ask(readiness, "/readyz").body, "ok\n");
  readiness.BeginDrain(proxy::DrainScope::kAll);
  EXPECT_EQ(Ask(readiness, "/readyz").status, 503U);
  EXPECT_EQ(Ask(readiness, "/readyz", "verbose").body,
            "[+]servers ok\n[+]listeners ok\n[-]draining failed: draining\n[+]config ok\n");
  EXPECT_EQ(Ask(readiness, "/readyz", "verbose").status, 503U);
}

TEST(AdminTest, AConfigurationThatCanNotBeReloadedIsToldAndDoesNotMakeItUnready) {
  Readiness readiness;
  readiness.ServersProbed();
  readiness.ListenersBound();
  readiness.ConfigProblem("c.yaml:1:1: no");
  EXPECT_EQ(Ask(readiness, "/readyz").body, "ok\n");
  EXPECT_EQ(Ask(readiness, "/readyz", "verbose").status, 200U);
  EXPECT_EQ(Ask(readiness, "/readyz", "verbose").body,
            "[+]servers ok\n[+]listeners ok\n[+]draining ok\n"
            "[!]config failed: c.yaml:1:1: no\n");
}

TEST(AdminTest, StartupzStaysOkWhileDraining) {
  Readiness readiness;
  EXPECT_EQ(Ask(readiness, "/startupz").status, 503U);
  readiness.ServersProbed();
  readiness.ListenersBound();
  readiness.BeginDrain(proxy::DrainScope::kAll);
  EXPECT_EQ(Ask(readiness, "/startupz").status, 200U);
}

TEST(AdminTest, WhatIsNotThereIs404AndWhatIsNotAllowed405) {
  const Readiness readiness;
  EXPECT_EQ(Ask(readiness, "/nothing").status, 404U);
  EXPECT_EQ(Ask(readiness, "/livez/").status, 404U);
  EXPECT_TRUE(
      Ask(readiness, "/nothing").body.starts_with("{\"reason\":\"not_found\",\"error\":\""));
  EXPECT_EQ(Ask(readiness, "/nothing").content_type, "application/json");
  const HttpAnswer answer = Ask(readiness, "/livez", "", "POST");
  EXPECT_EQ(answer.status, 405U);
  EXPECT_EQ(answer.allow, "GET, HEAD");
}

TEST(AdminTest, WhatThisProcessDoesNotHaveIs501) {
  const Readiness readiness;
  for (const char* path : {"/config", "/servers", "/events", "/stats", "/list"}) {
    EXPECT_EQ(Ask(readiness, path).status, 501U) << path;
  }
}

TEST(AdminTest, TheConfigurationIsThatOfWhoKnowsIt) {
  const Readiness readiness;
  const proxy::LimitHits hits;
  AdminContext context{.readiness = readiness, .limit_hits = hits};
  context.config_json = [] { return std::string(R"({"workers":1})"); };
  const HttpAnswer answer = AnswerAdmin(context, {.method = "GET", .path = "/config", .query = {}});
  EXPECT_EQ(answer.body, "{\"workers\":1}\n");
  EXPECT_EQ(answer.content_type, "application/json");
}

TEST(AdminTest, ReadsAndChangesAreChecked) {
  const Readiness readiness;
  const proxy::LimitHits hits;
  HttpRequest request{.method = "GET", .path = "/log-level", .query = {}};
  request.host = "evil.example";
  request.peer_is_loopback = true;
  HttpAnswer answer = AnswerAdmin({readiness, hits}, request);
  EXPECT_EQ(answer.status, 403U);
  EXPECT_TRUE(answer.body.starts_with("{\"reason\":\"host_not_allowed\",\"error\":\""))
      << answer.body;
  request.method = "PUT";
  answer = AnswerAdmin({readiness, hits}, request);
  EXPECT_EQ(answer.status, 403U);
  EXPECT_TRUE(answer.body.starts_with("{\"reason\":\"mutations_off\"")) << answer.body;
}

TEST(AdminTest, TheLogLevelIsSetByAWordOrByJson) {
  const Readiness readiness;
  const proxy::LimitHits hits;
  AdminContext context{.readiness = readiness, .limit_hits = hits, .allow_mutations = true};
  const auto put = [&](std::string_view body) {
    HttpRequest request{.method = "PUT", .path = "/log-level", .query = {}};
    request.body = body;
    request.content_type = "application/json";
    request.host = "localhost:1";
    request.local_port = 1;
    request.peer_is_loopback = true;
    return AnswerAdmin(context, request);
  };
  EXPECT_EQ(put("warn\n").body, "{\"level\":\"warn\"}\n");
  EXPECT_EQ(log::CurrentLevel(), log::Level::kWarn);
  EXPECT_EQ(put(R"({"level": "error"})").body, "{\"level\":\"error\"}\n");
  EXPECT_EQ(Ask(readiness, "/log-level").body, "{\"level\":\"error\"}\n");
  for (const char* bad : {"", "loud", "{}", R"({"level":5})", R"({"level":"debug","x":1})", "{"}) {
    EXPECT_EQ(put(bad).status, 400U) << bad;
  }
  EXPECT_EQ(log::CurrentLevel(), log::Level::kError);
  log::SetLevel(log::Level::kInfo);
}

}  // namespace
}  // namespace remora::server
