#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "cli/output/json.h"
#include "cli/output/table.h"
#include "cli/output/views.h"
#include "tests/unit/cli/fake_control_client.h"

namespace remora::cli {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

const std::chrono::system_clock::time_point kNow{seconds(1'000'000)};

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCellAndThreeApart) {
  Table table({"NAME", "AGE"});
  table.AddRow({"a", "5s"});
  table.AddRow({"longer", "12m"});
  EXPECT_EQ(table.Render(true),
            "NAME     AGE\n"
            "a        5s\n"
            "longer   12m\n");
}

TEST(TableTest, WithoutHeadsTheyTakeNoRoomEither) {
  Table table({"A LONG HEAD", "B"});
  table.AddRow({"a", "b"});
  EXPECT_EQ(table.Render(false), "a   b\n");
}

TEST(TableTest, AnEmptyCellIsADash) {
  Table table({"A", "B", "C"});
  table.AddRow({"", "b", ""});
  EXPECT_EQ(table.Render(false), "-   b   -\n");
}

TEST(TableTest, ControlBytesAreShownEscaped) {
  Table table({"A"});
  table.AddRow({"x\x1b[2J\ty\n"});
  EXPECT_EQ(table.Render(false), "x\\x1b[2J\\x09y\\x0a\n");
}

TEST(TableTest, ACharacterOfSeveralBytesTakesOneColumn) {
  Table table({"A", "B"});
  table.AddRow({"\xc3\xa9", "x"});
  table.AddRow({"e", "y"});
  EXPECT_EQ(table.Render(false), "\xc3\xa9   x\ne   y\n");
}

TEST(AgeTest, ItIsShortAndNeverNegative) {
  EXPECT_EQ(Age(seconds(-5)), "0s");
  EXPECT_EQ(Age(seconds(0)), "0s");
  EXPECT_EQ(Age(seconds(119)), "119s");
  EXPECT_EQ(Age(seconds(120)), "2m");
  EXPECT_EQ(Age(seconds(599)), "9m59s");
  EXPECT_EQ(Age(seconds(600)), "10m");
  EXPECT_EQ(Age(seconds(3 * 3600 - 1)), "179m");
  EXPECT_EQ(Age(seconds(3 * 3600 + 60)), "3h1m");
  EXPECT_EQ(Age(seconds(47 * 3600)), "47h");
  EXPECT_EQ(Age(seconds(50 * 3600)), "2d2h");
  EXPECT_EQ(Age(seconds(100 * 86400)), "100d");
}

TEST(ServersTableTest, OneServerALineWithStateAndReason) {
  v1::Server limited = MakeServer("b", "http://127.0.0.1:9002", v1::ServerStatus::UNHEALTHY);
  limited.mutable_spec()->set_max_active(100);
  limited.mutable_spec()->set_weight(5);
  limited.mutable_status()->set_active_requests(7);
  limited.mutable_status()->set_reason("probe: connect refused");
  const std::vector servers = {MakeServer("a", "http://127.0.0.1:9001"), limited};
  EXPECT_EQ(ServersTable(servers, {.now = kNow}),
            "NAME   URL                     POOL      STATE       WEIGHT   ACTIVE   MAX   OWNER   "
            "AGE   REASON\n"
            "a      http://127.0.0.1:9001   default   ACTIVE      1        0        -     api     "
            "5m    -\n"
            "b      http://127.0.0.1:9002   default   UNHEALTHY   5        7        100   api     "
            "5m    probe: connect refused\n");
}

TEST(ServersTableTest, AStateThatThisClientDoesNotKnowIsADash) {
  v1::Server server = MakeServer("a", "http://a:1");
  server.mutable_status()->set_state(static_cast<v1::ServerStatus::State>(99));
  const std::vector servers = {server};
  EXPECT_EQ(ServersTable(servers, {.now = kNow, .with_heads = false}),
            "a   http://a:1   default   -   1   0   -   api   5m   -\n");
}

TEST(HealthTableTest, TheSidecarComesFirstThenItsPools) {
  v1::HealthResponse health;
  health.set_ready(false);
  health.add_reasons("draining");
  health.set_version("0.1.0");
  health.mutable_uptime()->set_seconds(75);
  health.set_revision(12);
  v1::PoolHealth& pool = *health.add_pools();
  pool.set_pool("default");
  pool.set_total(3);
  pool.set_active(2);
  pool.set_warming(1);
  pool.set_active_requests(9);
  EXPECT_EQ(HealthTable(health, {.now = kNow}),
            "READY   VERSION   UPTIME   REVISION   REASON\n"
            "false   0.1.0     75s      12         draining\n"
            "\n"
            "POOL      TOTAL   WARMING   ACTIVE   UNHEALTHY   DRAINING   REQUESTS\n"
            "default   3       1         2        0           0          9\n");
}

TEST(JsonTest, FieldsHaveTheNamesOfTheProtoFileAndZeroIsPrinted) {
  const std::string json = ToJson(MakeServer("a", "http://a:1", v1::ServerStatus::WARMING));
  EXPECT_THAT(json, HasSubstr(R"("active_requests": 0)"));
  EXPECT_THAT(json, HasSubstr(R"("create_time": "1970-01-12T13:41:40Z")"));
  EXPECT_THAT(json, HasSubstr(R"("max_active": 0)"));
  EXPECT_TRUE(json.ends_with("}\n")) << json;
}

TEST(JsonTest, EnumsAreNames) {
  EXPECT_THAT(ToJson(MakeServer("a", "http://a:1", v1::ServerStatus::WARMING)),
              HasSubstr(R"("state": "WARMING")"));
  EXPECT_THAT(ToJson(MakeServer("a", "http://a:1", v1::ServerStatus::STATE_UNSPECIFIED)),
              HasSubstr(R"("state": "STATE_UNSPECIFIED")"));
}

}  // namespace
}  // namespace remora::cli
