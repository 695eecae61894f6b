// The routes that show and change servers, those of the small load balancer included.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proxy/registry/registry.h"
#include "server/admin/admin.h"
#include "server/admin/json.h"
#include "server/admin/servers.h"

namespace remora::server {
namespace {

namespace json = boost::json;

class NoEvents : public proxy::BackendEvents {
  void OnDrained(const proxy::Backend&) override {}
  void OnConnectFailed(const proxy::Backend&) override {}
};

class AdminServersTest : public testing::Test {
 protected:
  AdminContext Context() {
    AdminContext context{.readiness = readiness_, .limit_hits = hits_};
    context.registry = &registry_;
    context.allow_mutations = true;
    context.numbers = numbers_;
    context.drain = drain_;
    context.undrain = undrain_;
    return context;
  }

  HttpAnswer Ask(std::string_view method, std::string_view target, std::string_view body = "") {
    const std::size_t mark = std::min(target.find('?'), target.size());
    HttpRequest request{.method = method,
                        .path = target.substr(0, mark),
                        .query = target.substr(std::min(mark + 1, target.size()))};
    request.body = body;
    request.content_type = "application/json";
    request.host = "127.0.0.1:3002";
    request.local_port = 3002;
    request.peer_is_loopback = true;
    return AnswerAdmin(Context(), request);
  }

  static json::value Body(const HttpAnswer& answer) {
    EXPECT_EQ(answer.content_type, "application/json") << answer.body;
    return json::parse(answer.body);
  }

  std::vector<std::string> Ids() {
    std::vector<std::string> ids;
    const auto page = registry_.List("", std::nullopt, 100);
    for (const proxy::ServerView& view : page->servers) ids.push_back(view.id);
    return ids;
  }

  void MakeActive(std::string_view id) {
    registry_.ReportHealth(registry_.Get("default", id)->uid,
                           {.state = proxy::ServerState::kActive,
                            .reason = "probe: HTTP 200",
                            .last_probe = proxy::WallClock::now()});
  }

  NoEvents events_;
  Readiness readiness_;
  proxy::LimitHits hits_;
  proxy::Registry registry_{{"default", "other"}, &events_};
  std::function<std::optional<ServerNumbers>(const proxy::ServerView&)> numbers_;
  AdminContext::Drain drain_;
  AdminContext::Undrain undrain_;
};

TEST_F(AdminServersTest, AServerIsShownAsProtobufsJsonHasIt) {
  proxy::ServerSpec spec;
  spec.url = "http://127.0.0.1:9001/a";
  spec.weight = 3;
  spec.max_active = 7;
  spec.labels = {{"zone \"a\"", "b\n\xc3\xa4"}};
  ASSERT_TRUE(registry_.Add("", "a", spec, "config").ok());
  MakeActive("a");
  const json::value body = Body(Ask("GET", "/servers"));
  EXPECT_EQ(body.at("next_page_token"), "");
  EXPECT_EQ(body.at("revision"), "2");
  const json::value& server = body.at("servers").at(0);
  EXPECT_EQ(server.at("pool"), "default");
  EXPECT_EQ(server.at("id"), "a");
  EXPECT_EQ(server.at("owner"), "config");
  EXPECT_EQ(server.at("revision"), "2");
  EXPECT_EQ(server.at("uid").as_string().size(), 32U);
  EXPECT_EQ(server.at("create_time").as_string().back(), 'Z');
  EXPECT_EQ(json::serialize(server.at("spec")),
            "{\"url\":\"http://127.0.0.1:9001/a\",\"weight\":3,\"max_active\":7,"
            "\"labels\":{\"zone \\\"a\\\"\":\"b\\n\xc3\xa4\"}}");
  const json::value& status = server.at("status");
  EXPECT_EQ(status.at("state"), "ACTIVE");
  EXPECT_EQ(status.at("reason"), "probe: HTTP 200");
  EXPECT_EQ(status.at("active_requests"), 0);
  EXPECT_EQ(status.at("consecutive_probe_failures"), 0);
  EXPECT_TRUE(status.as_object().contains("last_probe_time"));
  EXPECT_FALSE(status.as_object().contains("drain_deadline"));
}

TEST(JsonTest, TimesHaveAsManyDigitsAsProtobufGivesThem) {
  const auto at = [](std::int64_t nanos) {
    return JsonTime(
        proxy::WallTime(std::chrono::seconds(1'700'000'000)) +
        std::chrono::duration_cast<proxy::WallClock::duration>(std::chrono::nanoseconds(nanos)));
  };
  EXPECT_EQ(at(0), "\"2023-11-14T22:13:20Z\"");
  EXPECT_EQ(at(50'000'000), "\"2023-11-14T22:13:20.050Z\"");
  EXPECT_EQ(at(50'001'000), "\"2023-11-14T22:13:20.050001Z\"");
  EXPECT_EQ(at(1), "\"2023-11-14T22:13:20.000000001Z\"");
  EXPECT_EQ(at(-1), "\"2023-11-14T22:13:19.999999999Z\"");
}

TEST(JsonTest, DurationsAreSeconds) {
  EXPECT_EQ(JsonMilliseconds(0), "\"0s\"");
  EXPECT_EQ(JsonMilliseconds(1.5), "\"0.001500s\"");
  EXPECT_EQ(JsonMilliseconds(2250), "\"2.250s\"");
}

TEST_F(AdminServersTest, WhatWasCountedIsShownWhereItIsKnown) {
  ASSERT_TRUE(registry_.Add("", "a", {.url = "h:1", .labels = {}}, "api").ok());
  json::value status = Body(Ask("GET", "/servers")).at("servers").at(0).at("status");
  EXPECT_EQ(status.at("requests_total"), "0");
  EXPECT_FALSE(status.as_object().contains("latency_p50"));
  numbers_ = [](const proxy::ServerView& view) {
    return ServerNumbers{
        .pool = view.pool, .id = view.id, .requests = 7, .failures = 2, .p50_ms = 1.5};
  };
  status = Body(Ask("GET", "/servers")).at("servers").at(0).at("status");
  EXPECT_EQ(status.at("requests_total"), "7");
  EXPECT_EQ(status.at("failures_total"), "2");
  EXPECT_EQ(status.at("latency_p50"), "0.001500s");
  EXPECT_FALSE(status.as_object().contains("latency_p99"));
}

TEST(JsonTest, WhatIsNotUtf8IsShown) {
  EXPECT_EQ(JsonText("a\"\\\n\xc3\xa4"), "\"a\\\"\\\\\\u000a\xc3\xa4\"");
  EXPECT_EQ(JsonText("\xff"), "\"\\\\xff\"");
}

TEST_F(AdminServersTest, AListHasPages) {
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_TRUE(registry_.Add("", id, {.url = "h:1", .labels = {}}, "api").ok());
  }
  json::value page = Body(Ask("GET", "/servers?page_size=2"));
  EXPECT_EQ(page.at("servers").as_array().size(), 2U);
  const std::string token(page.at("next_page_token").as_string());
  page = Body(Ask("GET", "/servers?page_size=2&page_token=" + token));
  EXPECT_EQ(page.at("servers").as_array().size(), 1U);
  EXPECT_EQ(page.at("servers").at(0).at("id"), "c");
  EXPECT_EQ(page.at("next_page_token"), "");
  EXPECT_EQ(Ask("GET", "/servers?page_size=x").status, 400U);
  EXPECT_EQ(Ask("GET", "/servers?page_token=x").status, 400U);
  EXPECT_EQ(Body(Ask("GET", "/servers?pool=other")).at("servers").as_array().size(), 0U);
  EXPECT_EQ(Ask("GET", "/servers?pool=nope").status, 404U);
}

TEST_F(AdminServersTest, APageEndsEarlyRatherThanGrowWithoutBound) {
  proxy::ServerSpec spec;
  spec.url = "h:1";
  for (int i = 0; i < 64; ++i) spec.labels["k" + std::to_string(i)] = std::string(256, 'x');
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(registry_.Add("", "a" + std::to_string(i), spec, "api").ok());
  }
  std::size_t seen = 0;
  std::string target = "/servers?page_size=1000";
  for (int page = 0; page < 10; ++page) {
    const HttpAnswer answer = Ask("GET", target);
    EXPECT_LT(answer.body.size(), 1'200'000U);
    const json::value body = Body(answer);
    seen += body.at("servers").as_array().size();
    const std::string token(body.at("next_page_token").as_string());
    if (token.empty()) break;
    target = "/servers?page_size=1000&page_token=" + token;
  }
  EXPECT_EQ(seen, 100U);
}

TEST_F(AdminServersTest, AServerIsAddedOnceAndWithAnotherSpecRefused) {
  const std::string body =
      R"({"url": "127.0.0.1:9001", "id": "a", "pool": "other", "weight": 2, "max_active": 5,
          "labels": {"zone": "x"}})";
  const HttpAnswer created = Ask("POST", "/servers", body);
  EXPECT_EQ(created.status, 201U) << created.body;
  EXPECT_EQ(Body(created).at("server").at("owner"), "api");
  const proxy::ServerView view = *registry_.Get("other", "a");
  EXPECT_EQ(view.spec.url, "http://127.0.0.1:9001");
  EXPECT_EQ(view.spec.weight, 2U);
  EXPECT_EQ(view.spec.max_active, 5U);
  EXPECT_EQ(view.spec.labels.at("zone"), "x");
  EXPECT_EQ(Ask("POST", "/servers", body).status, 200U);
  const HttpAnswer other = Ask("POST", "/servers", R"({"url":"h:2","id":"a","pool":"other"})");
  EXPECT_EQ(other.status, 409U);
  EXPECT_EQ(Body(other).at("reason"), "SERVER_ALREADY_EXISTS");
}

TEST_F(AdminServersTest, WhatIsWrongWithANewServerIsNamed) {
  struct Case {
    const char* body;
    const char* field;
  };
  for (const Case& one : {Case{"", "body"},
                          {"nonsense", "body"},
                          {"[]", "body"},
                          {R"({"url":"h:1"} {})", "body"},
                          {R"({})", "spec.url"},
                          {R"({"url": 5})", "spec.url"},
                          {R"({"url": "ftp://h:1"})", "spec.url"},
                          {R"({"url":"h:1","id":"NO"})", "id"},
                          {R"({"url":"h:1","id":null})", "id"},
                          {R"({"url":"h:1","weight":1001})", "spec.weight"},
                          {R"({"url":"h:1","weight":-1})", "spec.weight"},
                          {R"({"url":"h:1","weight":1.5})", "spec.weight"},
                          {R"({"url":"h:1","weight":"1"})", "spec.weight"},
                          {R"({"url":"h:1","max_active":5000000000})", "spec.max_active"},
                          {R"({"url":"h:1","labels":[]})", "spec.labels"},
                          {R"({"url":"h:1","labels":{"a":1}})", "spec.labels"},
                          {R"({"url":"h:1","state":"ACTIVE"})", "state"}}) {
    const HttpAnswer answer = Ask("POST", "/servers", one.body);
    EXPECT_EQ(answer.status, 400U) << one.body;
    const json::value body = Body(answer);
    EXPECT_EQ(body.at("reason"), "INVALID_FIELD");
    EXPECT_EQ(body.at("violations").at(0).at("field"), one.field) << answer.body;
  }
  EXPECT_EQ(Ask("POST", "/servers", R"({"url":"h:1","pool":"nope"})").status, 404U);
  EXPECT_EQ(Ids(), std::vector<std::string>{});
}

TEST_F(AdminServersTest, DeeplyNestedJsonIsRefusedAndNotFollowed) {
  const std::string body = R"({"labels":)" + std::string(10'000, '[');
  EXPECT_EQ(Ask("POST", "/servers", body).status, 400U);
}

TEST_F(AdminServersTest, AServerIsRemoved) {
  ASSERT_TRUE(registry_.Add("other", "a", {.url = "h:1", .labels = {}}, "api").ok());
  EXPECT_EQ(Ask("DELETE", "/servers/other/a?drain_timeout=2h").status, 400U);
  EXPECT_EQ(Ask("DELETE", "/servers/other/a?drain_timeout=x").status, 400U);
  EXPECT_EQ(Ids(), std::vector<std::string>{"a"});
  const HttpAnswer removed = Ask("DELETE", "/servers/other/a?drain_timeout=5s");
  EXPECT_EQ(removed.status, 200U);
  EXPECT_EQ(Body(removed).at("server").at("status").at("state"), "DRAINING");
  EXPECT_EQ(Ids(), std::vector<std::string>{});
  EXPECT_EQ(Ask("DELETE", "/servers/other/a").status, 404U);
  EXPECT_EQ(Ask("DELETE", "/servers/nope/a").status, 404U);
  EXPECT_EQ(Ask("DELETE", "/servers/other/A").status, 400U);
}

TEST_F(AdminServersTest, DrainAndUndrainCallWhoCanDoIt) {
  EXPECT_EQ(Ask("POST", "/servers/default/a/drain").status, 501U);
  EXPECT_EQ(Ask("POST", "/servers/default/a/undrain").status, 501U);
  std::string asked;
  drain_ = [&](std::string_view pool, std::string_view id,
               std::optional<std::chrono::milliseconds> timeout) {
    asked = std::string(pool) + "/" + std::string(id) + " " +
            (timeout ? std::to_string(timeout->count()) : "none");
    proxy::ServerView view;
    view.pool = std::string(pool);
    view.id = std::string(id);
    view.state = proxy::ServerState::kDraining;
    return view;
  };
  undrain_ = [](std::string_view, std::string_view) -> absl::StatusOr<proxy::ServerView> {
    return absl::FailedPreconditionError("it was removed");
  };
  EXPECT_EQ(Ask("POST", "/servers/default/a/drain").status, 200U);
  EXPECT_EQ(asked, "default/a none");
  EXPECT_EQ(Ask("POST", "/servers/default/b/drain?drain_timeout=5s").status, 200U);
  EXPECT_EQ(asked, "default/b 5000");
  EXPECT_EQ(Ask("POST", "/servers/default/b/drain?drain_timeout=x").status, 400U);
  EXPECT_EQ(Ask("POST", "/servers/default/b/undrain").status, 409U);
}

TEST_F(AdminServersTest, PathsOfServersAreExact) {
  for (const char* path : {"/servers/", "/servers/a", "/servers/a/", "/servers//b", "/servers/a/b/",
                           "/servers/a/b/c", "/servers/a/b/drain/"}) {
    EXPECT_EQ(Ask("DELETE", path).status, 404U) << path;
  }
  EXPECT_EQ(Ask("GET", "/servers/a/b").status, 405U);
  EXPECT_EQ(Ask("PUT", "/servers").allow, "GET, HEAD, POST");
}

// ---- the small load balancer's ----

TEST_F(AdminServersTest, ItsUsersCanSwitch) {
  EXPECT_EQ(Ask("GET", "/list").body, "[]\n");
  HttpAnswer answer = Ask("GET", "/health");
  EXPECT_EQ(answer.status, 503U);
  EXPECT_EQ(answer.body, "{\"error\":\"Service unavailable\"}\n");
  answer = Ask("POST", "/addServer",
               R"({"URL":"http://127.0.0.1:9001","ActiveConns":99,"Healthy":true})");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body, "{\"status\":\"success\"}\n");
  // What it was told of counters and states is nothing to us.
  EXPECT_EQ(Ask("GET", "/list").body,
            "[{\"URL\":\"http://127.0.0.1:9001\",\"ActiveConns\":0,\"Healthy\":false}]\n");
  MakeActive(Ids().at(0));
  EXPECT_EQ(Ask("GET", "/list").body,
            "[{\"URL\":\"http://127.0.0.1:9001\",\"ActiveConns\":0,\"Healthy\":true}]\n");
  EXPECT_EQ(Ask("GET", "/health").body, "OK");
  // Its bodies may be spelled in either case, and the address in any that means the same.
  EXPECT_EQ(Ask("POST", "/addServer", R"({"url":"127.0.0.1:9001/"})").status, 200U);
  EXPECT_EQ(Ids().size(), 1U);
  answer = Ask("DELETE", "/removeServer", R"({"URL":"HTTP://127.0.0.1:9001/"})");
  EXPECT_EQ(answer.body, "{\"status\":\"success\"}\n");
  EXPECT_EQ(Ask("GET", "/list").body, "[]\n");
}

TEST_F(AdminServersTest, ItsErrorsAreThoseItHad) {
  for (const char* body : {"", "nonsense", "[]", "{}", R"({"URL":5})", R"({"Healthy":true})"}) {
    for (const auto& [method, path] :
         {std::pair("POST", "/addServer"), std::pair("DELETE", "/removeServer")}) {
      const HttpAnswer answer = Ask(method, path, body);
      EXPECT_EQ(answer.status, 400U) << body;
      EXPECT_EQ(answer.body, "{\"error\":\"Invalid input\"}\n") << body;
    }
  }
  EXPECT_EQ(Ask("POST", "/addServer", R"({"URL":"ftp://h"})").body,
            "{\"error\":\"Invalid URL\"}\n");
  EXPECT_EQ(Ask("DELETE", "/removeServer", R"({"URL":""})").body, "{\"error\":\"Invalid URL\"}\n");
  EXPECT_EQ(Ask("DELETE", "/removeServer", R"({"URL":"h:1"})").status, 404U);
  ASSERT_TRUE(registry_.Add("", "h-1", {.url = "h:2", .labels = {}}, "api").ok());
  EXPECT_EQ(Ask("POST", "/addServer", R"({"URL":"h:1"})").status, 409U);
}

TEST_F(AdminServersTest, AddressesThatWereAddedUnderSeveralIdsAreAllRemoved) {
  ASSERT_TRUE(registry_.Add("", "a", {.url = "h:1", .labels = {}}, "api").ok());
  ASSERT_TRUE(registry_.Add("", "b", {.url = "h:1", .labels = {}}, "config").ok());
  ASSERT_TRUE(registry_.Add("", "c", {.url = "h:2", .labels = {}}, "config").ok());
  EXPECT_EQ(Ask("DELETE", "/removeServer", R"({"URL":"h:1"})").status, 200U);
  EXPECT_EQ(Ids(), std::vector<std::string>{"c"});
}

}  // namespace
}  // namespace remora::server
