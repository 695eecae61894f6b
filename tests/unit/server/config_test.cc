// What a configuration file says, and what remorad says to a wrong one.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/config/parse.h"

namespace remora::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

Config Parse(std::string_view text) {
  absl::StatusOr<Config> config = ParseConfig(text, "config.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : Config();
}

std::string Errors(const absl::StatusOr<Config>& config) {
  return config.ok() ? "valid" : std::string(config.status().message());
}

std::string ErrorsOf(std::string_view text) { return Errors(ParseConfig(text, "c.yaml")); }

TEST(ConfigTest, NothingIsAConfigurationOfDefaults) {
  const Config config = Parse("");
  ASSERT_EQ(config.proxy.listeners.size(), 1U);
  EXPECT_EQ(config.proxy.listeners[0].address, "0.0.0.0:3000");
  EXPECT_EQ(config.proxy.listeners[0].pool, "default");
  ASSERT_EQ(config.proxy.pools.size(), 1U);
  EXPECT_EQ(config.proxy.pools[0].name, "default");
  EXPECT_EQ(config.proxy.workers, kAutoWorkers);
  EXPECT_TRUE(config.servers.empty());
  EXPECT_EQ(config.admin.address, "127.0.0.1:3002");
  EXPECT_EQ(config.shutdown.delay, seconds(5));
  EXPECT_EQ(config.shutdown.deadline, seconds(28));
  EXPECT_TRUE(config.warnings.empty());
}

TEST(ConfigTest, TheShortestFileFillsThePoolDefault) {
  const Config config = Parse(
      "servers:\n"
      "  - \"http://127.0.0.1:9001\"\n"
      "  - \"http://127.0.0.1:9002\"\n");
  ASSERT_EQ(config.servers.size(), 2U);
  EXPECT_EQ(config.servers[1].pool, "default");
  EXPECT_EQ(config.servers[1].spec.url, "http://127.0.0.1:9002");
  EXPECT_EQ(config.servers[1].spec.weight, 1U);
  EXPECT_EQ(config.servers[1].where, "config.yaml:3:5: servers[1]");
}

constexpr std::string_view kFullForm = R"(
workers: 3
listeners:
  - address: 127.0.0.1:3000
    pool: default
    direction: inbound
    timeouts: {request_head: 2s, keep_alive: 1m}
  - {address: "[::1]:0", pool: api}
pools:
  - name: default
    policy: least_active
    servers:
      - url: http://127.0.0.1:9001
        id: first
        weight: 2
        max_active: 100
        labels: {zone: a, "k8s.io/app": web}
      - 127.0.0.1:9002
    host_header: backend
    health_check:
      {probe: http, path: /up, interval: 250ms, timeout: 100ms, rise: 1, fall: 5, jitter: 0.5}
    timeouts: {connect: 2s, response_head: 30s, idle: 1m, tunnel: 2h, upstream_idle: 3s}
    limits: {head_bytes: 128KiB, head_fields: 50, body_bytes: 1MiB}
  - name: api
limits: {connections: 500}
control: {address: "127.0.0.1:3001", insecure: true}
admin: {address: "127.0.0.1:0", allow_mutations: true}
log: {level: debug, format: json, access: {enabled: false, sample: 0.25, path: access.log}}
shutdown: {delay: 0s, deadline: 10s}
)";

TEST(ConfigTest, TheFullFormIsReadWhole) {
  const Config config = Parse(kFullForm);
  EXPECT_EQ(config.proxy.workers, 3U);
  EXPECT_EQ(config.proxy.max_connections, 500U);
  ASSERT_EQ(config.proxy.listeners.size(), 2U);
  EXPECT_EQ(config.proxy.listeners[0].direction, proxy::Direction::kInbound);
  EXPECT_EQ(config.proxy.listeners[0].request_head_timeout, seconds(2));
  EXPECT_EQ(config.proxy.listeners[0].keep_alive_timeout, seconds(60));
  EXPECT_EQ(config.proxy.listeners[1].address, "[::1]:0");
  EXPECT_EQ(config.proxy.listeners[1].direction, proxy::Direction::kOutbound);
  EXPECT_EQ(config.control.address, "127.0.0.1:3001");
  EXPECT_TRUE(config.control.insecure);
  EXPECT_EQ(config.admin.address, "127.0.0.1:0");
  EXPECT_EQ(config.log.level, log::Level::kDebug);
  EXPECT_EQ(config.log.format, log::Format::kJson);
  EXPECT_TRUE(config.admin.allow_mutations);
  EXPECT_FALSE(config.log.access.enabled);
  EXPECT_EQ(config.log.access.sample, 0.25);
  EXPECT_EQ(config.log.access.path, "access.log");
  EXPECT_EQ(config.shutdown.delay, milliseconds(0));
  EXPECT_EQ(config.shutdown.deadline, seconds(10));
}

TEST(ConfigTest, TheSettingsOfAPoolAreReadWhole) {
  const Config config = Parse(kFullForm);
  ASSERT_EQ(config.proxy.pools.size(), 2U);
  const proxy::PoolSettings& pool = config.proxy.pools[0];
  EXPECT_EQ(pool.host_header, proxy::HostHeader::kBackend);
  EXPECT_EQ(pool.health_check.probe, proxy::ProbeKind::kHttp);
  EXPECT_EQ(pool.health_check.path, "/up");
  EXPECT_EQ(pool.health_check.interval, milliseconds(250));
  EXPECT_EQ(pool.health_check.timeout, milliseconds(100));
  EXPECT_EQ(pool.health_check.rise, 1U);
  EXPECT_EQ(pool.health_check.fall, 5U);
  EXPECT_EQ(pool.health_check.jitter, 0.5);
  EXPECT_EQ(pool.timeouts.connect, seconds(2));
  EXPECT_EQ(pool.timeouts.response_head, seconds(30));
  EXPECT_EQ(pool.timeouts.idle, seconds(60));
  EXPECT_EQ(pool.timeouts.tunnel, hours(2));
  EXPECT_EQ(pool.timeouts.upstream_idle, seconds(3));
  EXPECT_EQ(pool.limits.head_bytes, 128U * 1024);
  EXPECT_EQ(pool.limits.head_fields, 50U);
  EXPECT_EQ(pool.limits.body_bytes, 1024U * 1024);
  ASSERT_EQ(config.servers.size(), 2U);
  EXPECT_EQ(config.servers[0].id, "first");
  EXPECT_EQ(config.servers[0].spec.weight, 2U);
  EXPECT_EQ(config.servers[0].spec.max_active, 100U);
  EXPECT_EQ(config.servers[0].spec.labels.at("k8s.io/app"), "web");
  EXPECT_EQ(config.servers[1].spec.url, "127.0.0.1:9002");
}

TEST(ConfigTest, TheTwoFormsOfThePoolDefaultMerge) {
  const Config config = Parse(
      "servers: [\"127.0.0.1:9001\"]\n"
      "pools:\n"
      "  - {name: default, host_header: backend, servers: [\"127.0.0.1:9002\"]}\n");
  ASSERT_EQ(config.proxy.pools.size(), 1U);
  EXPECT_EQ(config.proxy.pools[0].host_header, proxy::HostHeader::kBackend);
  ASSERT_EQ(config.servers.size(), 2U);
  EXPECT_EQ(config.servers[0].pool, "default");
  EXPECT_EQ(config.servers[1].pool, "default");
}

TEST(ConfigTest, APoolDefaultIsAddedOnlyWhereSomethingUsesIt) {
  EXPECT_EQ(Parse("pools: [{name: api}]\nlisteners: [{pool: api}]\n").proxy.pools.size(), 1U);
  EXPECT_EQ(Parse("pools: [{name: api}]\n").proxy.pools.size(), 2U);
}

TEST(ConfigTest, APoolWithoutListenerIsAWarning) {
  const Config config = Parse("pools: [{name: default}, {name: api}]\n");
  EXPECT_EQ(config.warnings,
            std::vector<std::string>{"no listener uses pool 'api': its servers get no traffic"});
}

TEST(ConfigTest, SectionsWithoutContentAreDefaults) {
  const Config config = Parse("control:\nservers:\npools:\nlog: {}\n");
  EXPECT_EQ(config.control.address, "");
  EXPECT_EQ(config.proxy.pools.size(), 1U);
}

TEST(ConfigTest, AllProblemsAreToldAtOnce) {
  EXPECT_EQ(ErrorsOf("workers: x\nlog: {level: loud}\nlgo: 1\n"),
            "c.yaml:1:10: workers: 'x' is neither 'auto' nor a number from 1 to 64\n"
            "c.yaml:2:14: log.level: 'loud' is unknown; allowed are debug, info, warn, error\n"
            "c.yaml:3:1: lgo: unknown key; did you mean 'log'?");
}

TEST(ConfigTest, BytesThatWouldColourATerminalAreEscaped) {
  EXPECT_EQ(ErrorsOf("log: {level: \"\\e[31m\"}\n"),
            "c.yaml:1:14: log.level: '\\x1b[31m' is unknown; allowed are debug, info, warn, error");
}

TEST(ConfigTest, AnAliasThatContainsItselfIsAnErrorLikeAnyOther) {
  EXPECT_NE(ErrorsOf("pools: &a [*a]\n"), "valid");
}

// ---- overrides ----

Config Build(const ConfigSources& sources) {
  absl::StatusOr<Config> config = BuildConfig(sources);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : Config();
}

TEST(ConfigTest, AnOverrideWinsOverTheFileAndALaterOneOverAnEarlier) {
  const Config config = Build({.demo = false,
                               .file_text = "workers: 1\nlog: {level: warn, format: json}\n",
                               .file_name = "c.yaml",
                               .overrides = {{"REMORA_WORKERS", "workers", {"2"}},
                                             {"REMORA_LOG_LEVEL", "log.level", {"error"}},
                                             {"--workers", "workers", {"3"}}}});
  EXPECT_EQ(config.proxy.workers, 3U);
  EXPECT_EQ(config.log.level, log::Level::kError);
  EXPECT_EQ(config.log.format, log::Format::kJson);
}

TEST(ConfigTest, ListenReplacesTheListenersAndServerAddsToPoolDefault) {
  const Config config =
      Build({.demo = false,
             .file_text = "listeners: [{pool: api}]\npools: [{name: api}]\nservers: [\"a:1\"]\n",
             .file_name = "c.yaml",
             .overrides = {{"--listen", "listeners", {"127.0.0.1:1", "127.0.0.1:2"}},
                           {"--server", "servers", {"b:1", "c:1"}}}});
  ASSERT_EQ(config.proxy.listeners.size(), 2U);
  EXPECT_EQ(config.proxy.listeners[1].address, "127.0.0.1:2");
  EXPECT_EQ(config.proxy.listeners[1].pool, "default");
  ASSERT_EQ(config.servers.size(), 3U);
  EXPECT_EQ(config.servers[2].spec.url, "c:1");
  EXPECT_EQ(config.servers[2].pool, "default");
}

ConfigSources WithListen(std::string file_text) {
  return {.demo = false,
          .file_text = std::move(file_text),
          .file_name = "c.yaml",
          .overrides = {{"--listen", "listeners", {"127.0.0.1:1", "127.0.0.1:2"}}}};
}

TEST(ConfigTest, ListenUsesTheOnlyPoolOfTheFile) {
  const Config config = Build(WithListen("pools: [{name: api, servers: [\"a:1\"]}]\n"));
  ASSERT_EQ(config.proxy.pools.size(), 1U);
  ASSERT_EQ(config.proxy.listeners.size(), 2U);
  EXPECT_EQ(config.proxy.listeners[0].pool, "api");
  EXPECT_EQ(config.proxy.listeners[1].pool, "api");
  EXPECT_TRUE(config.warnings.empty());
}

TEST(ConfigTest, ListenWithSeveralPoolsNeedsOneThatIsCalledDefault) {
  EXPECT_EQ(Errors(BuildConfig(WithListen("pools: [{name: api}, {name: web}]\n"))),
            "--listen: the file has several pools (api, web) and none is 'default', so it is open "
            "which one is meant; write `listeners` with their `pool` into the file instead");
  const Config config = Build(WithListen("pools: [{name: api}, {name: default}]\n"));
  EXPECT_EQ(config.proxy.listeners[0].pool, "default");
}

TEST(ConfigTest, ALabelThatIsNotUtf8IsNamedWithItsPlace) {
  EXPECT_EQ(ErrorsOf("servers:\n  - url: a:1\n    labels: {zone: \"\xff\"}\n"),
            "c.yaml:3:20: servers[0].labels.zone: 'zone': the value is not UTF-8");
  EXPECT_NE(ErrorsOf("servers:\n  - url: a:1\n    labels: {\"z\xff\": x}\n")
                .find("'z\\xff': the key is not UTF-8"),
            std::string::npos);
}

TEST(ConfigTest, AWrongOverrideIsNamedByItsFlag) {
  EXPECT_EQ(Errors(BuildConfig({.demo = false,
                                .file_text = std::nullopt,
                                .file_name = {},
                                .overrides = {{"--log-level", "log.level", {"inof"}},
                                              {"--listen", "listeners", {"x"}},
                                              {"--server", "servers", {"https://a"}}}})),
            "--log-level: log.level: 'inof' is unknown; did you mean 'info'?\n"
            "--listen: listeners[0].address: 'x' is not an address; write ip:port, such as "
            "127.0.0.1:3000 or [::1]:3000\n"
            "--server: servers[0]: https needs TLS, not built yet in 'https://a'; write "
            "http://host:port[/prefix], host:port or unix:/path");
}

TEST(ConfigTest, TheDemoOpensLoopbackOnlyAndFlagsStillMoveIt) {
  const Config demo = Build({.demo = true, .file_text = {}, .file_name = {}, .overrides = {}});
  ASSERT_EQ(demo.proxy.listeners.size(), 1U);
  EXPECT_EQ(demo.proxy.listeners[0].address, "127.0.0.1:3000");
  EXPECT_EQ(demo.control.address, "127.0.0.1:3001");
  EXPECT_EQ(demo.admin.address, "127.0.0.1:3002");
  const Config moved = Build({.demo = true,
                              .file_text = {},
                              .file_name = {},
                              .overrides = {{"--listen", "listeners", {"127.0.0.1:0"}},
                                            {"--control", "control.address", {"127.0.0.1:0"}}}});
  ASSERT_EQ(moved.proxy.listeners.size(), 1U);
  EXPECT_EQ(moved.proxy.listeners[0].address, "127.0.0.1:0");
  EXPECT_EQ(moved.control.address, "127.0.0.1:0");
}

}  // namespace
}  // namespace remora::server
