// Every output form, compared byte by byte with a file of tests/unit/cli/golden.
//
// After a change that is meant: REMORA_UPDATE_GOLDEN=1 build/dev/tests/unit/remora_unit_cli
// --gtest_filter='Golden*', then read `git diff tests/unit/cli/golden`.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>

#include "cli/commands/commands.h"
#include "cli/commands/config.h"
#include "cli/output/views.h"
#include "tests/unit/cli/fake_control_client.h"

namespace remora::cli {
namespace {

void Compare(const std::string& name, const std::string& text) {
  const auto path = std::filesystem::path(REMORA_GOLDEN_DIR) / name;
  if (std::getenv("REMORA_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << "no " << path << "; see the top of this test";
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, kept) << path;
}

// Three servers with everything that can be shown.
v1::ListServersResponse Servers() {
  v1::Server busy = MakeServer("busy", "http://127.0.0.1:9001/api");
  busy.set_owner("config");
  busy.set_revision(7);
  busy.mutable_spec()->set_weight(5);
  busy.mutable_spec()->set_max_active(100);
  (*busy.mutable_spec()->mutable_labels())["zone"] = "no";
  v1::ServerStatus& status = *busy.mutable_status();
  status.set_reason("probe: HTTP 200");
  status.set_active_requests(12);
  status.set_requests_total(123'456);
  status.set_failures_total(3);
  status.mutable_latency_p50()->set_nanos(850'000);
  status.mutable_latency_p99()->set_nanos(250'000'000);
  v1::Server drained = MakeDraining("drained", "http://10.0.0.1:80", std::chrono::seconds(30));
  drained.mutable_status()->set_drained(true);
  drained.mutable_status()->set_reason("drained by an operator; probe: HTTP 200");
  v1::Server sick = MakeServer("sick", "unix:/run/app.sock", v1::ServerStatus::UNHEALTHY);
  sick.mutable_status()->set_reason("probe: connect refused");
  sick.mutable_status()->set_consecutive_probe_failures(3);
  v1::ListServersResponse page = MakePage({busy, drained, sick});
  page.set_revision(9);
  return page;
}

v1::HealthResponse SomeHealth() {
  v1::HealthResponse health;
  health.set_ready(true);
  health.set_version("1.2.3");
  health.set_revision(9);
  health.mutable_uptime()->set_seconds(125);
  v1::PoolHealth& pool = *health.add_pools();
  pool.set_pool("default");
  pool.set_total(3);
  pool.set_active(1);
  pool.set_unhealthy(1);
  pool.set_draining(1);
  pool.set_active_requests(12);
  v1::ListenerHealth& listener = *health.add_listeners();
  listener.set_address("0.0.0.0:3000");
  listener.set_pool("default");
  listener.set_direction(v1::ListenerHealth::INBOUND);
  listener.set_state(v1::ListenerHealth::DRAINING);
  listener.set_connections(5);
  return health;
}

struct Form {
  const char* name;
  OutputFormat format;
};
constexpr Form kForms[] = {{"table", OutputFormat::kTable}, {"wide", OutputFormat::kWide},
                           {"json", OutputFormat::kJson},   {"yaml", OutputFormat::kYaml},
                           {"name", OutputFormat::kName},   {"jsonl", OutputFormat::kJsonl}};

using Run = std::function<Outcome(Bench&)>;

// What a command writes to stdout in a format; whether it succeeds is not the matter here.
std::string Output(OutputFormat format, const Run& run) {
  Bench bench;
  bench.options.output = format;
  bench.client.list_replies = {Servers()};
  bench.client.get_reply = Servers().servers(0);
  bench.client.health_reply = SomeHealth();
  run(bench);
  return bench.out.str();
}

TEST(GoldenTest, ServersListInEachForm) {
  for (const Form& form : kForms) {
    Compare(std::string("servers_list.") + form.name,
            Output(form.format, [](Bench& bench) { return ServersList({}, bench.context()); }));
  }
}

TEST(GoldenTest, ServersGetInEachForm) {
  for (const Form& form : kForms) {
    Compare(std::string("servers_get.") + form.name, Output(form.format, [](Bench& bench) {
              return ServersGet({.server = "busy"}, bench.context());
            }));
  }
}

TEST(GoldenTest, NoServersInEachForm) {
  for (const Form& form : kForms) {
    Compare(std::string("servers_list_empty.") + form.name, Output(form.format, [](Bench& bench) {
              bench.client.list_replies = {v1::ListServersResponse()};
              return ServersList({}, bench.context());
            }));
  }
}

TEST(GoldenTest, ColoursAreOnlyAroundWhatIsColoured) {
  Compare("servers_list_colour.table", Output(OutputFormat::kTable, [](Bench& bench) {
            bench.options.colour = true;
            return ServersList({}, bench.context());
          }));
}

// Three looks: two servers, one changed and one gone, then the sidecar has ended.
TEST(GoldenTest, WatchInEachFormThatHasNoEnd) {
  for (const Form& form : {kForms[0], kForms[1], kForms[4], kForms[5]}) {
    Compare(std::string("servers_watch.") + form.name, Output(form.format, [](Bench& bench) {
              v1::ListServersResponse first = Servers();
              v1::ListServersResponse second = Servers();
              second.mutable_servers()->RemoveLast();
              second.mutable_servers(0)->set_revision(10);
              second.mutable_servers(0)->mutable_spec()->set_weight(6);
              bench.client.list_replies = {first, second};
              v1::HealthResponse later = SomeHealth();
              later.set_revision(10);
              bench.client.health_replies = {SomeHealth(), SomeHealth(), later,
                                             std::unexpected(Failure{.message = "it has ended"})};
              return ServersList({.watch = true}, bench.context());
            }));
  }
}

TEST(GoldenTest, HealthInEachForm) {
  for (const Form& form : {kForms[0], kForms[2], kForms[3]}) {
    Compare(std::string("health.") + form.name,
            Output(form.format, [](Bench& bench) { return Health(bench.context()); }));
  }
}

TEST(GoldenTest, Status) {
  Compare("status.table",
          Output(OutputFormat::kTable, [](Bench& bench) { return Status(bench.context()); }));
}

TEST(GoldenTest, Config) {
  Compare("config.table", Output(OutputFormat::kTable, [](Bench& bench) -> Outcome {
            std::string text = ConfigText(bench.options, {"unix:/x.sock", "REMORA_SERVER"});
            // The version is not the matter.
            bench.out << text.substr(0, text.find("version"));
            return {};
          }));
}

TEST(GoldenTest, ApplyShowsWhatItDoes) {
  const std::string file = testing::TempDir() + "remora-golden-apply.yaml";
  std::ofstream(file) << "servers:\n"
                         "  - {id: busy, url: '127.0.0.1:9001/api', weight: 5, max_active: 100,"
                         " labels: {zone: 'no'}}\n"
                         "  - {id: drained, url: 10.0.0.1, weight: 2, labels: {a: b}}\n"
                         "  - {id: moved, url: '10.0.0.9:1'}\n"
                         "  - http://10.0.0.7:80\n";
  Compare("servers_apply.table", Output(OutputFormat::kTable, [&](Bench& bench) {
            v1::ListServersResponse page = Servers();
            *page.add_servers() = MakeServer("moved", "http://10.0.0.8:1");
            bench.client.list_replies = {page};
            return ServersApply({.file = file, .prune = true}, bench.context());
          }));
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace remora::cli
