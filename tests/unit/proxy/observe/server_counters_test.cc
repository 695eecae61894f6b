#include "proxy/observe/server_counters.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace remora::proxy {
namespace {

std::vector<std::string> Names(ServerTable& table, TimePoint now) {
  std::vector<std::string> names;
  for (const ServerTable::Row& row : table.Collect(now))
    names.push_back(row.pool + "/" + row.server);
  return names;
}

using Strings = std::vector<std::string>;
constexpr TimePoint kStart{};

TEST(ServerTableTest, SumsTheSlotsOfAllWorkers) {
  ServerTable table(3);
  const auto counters = table.Add("default", "a", kStart);
  for (std::size_t worker = 0; worker < 3; ++worker) {
    counters->slot(worker).picks.Add(worker + 1);
    counters->slot(worker).requests[CodeClassLabel(200)][MethodLabel("GET")].Add();
  }
  counters->slot(0).requests[CodeClassLabel(503)][MethodLabel("BREW")].Add();
  const ServerValues values = table.Collect(kStart).at(0).values;
  EXPECT_EQ(values.picks, 6U);
  EXPECT_EQ(values.Requests(), 4U);
  EXPECT_EQ(values.requests.back().back(), 1U) << "an unknown method is 'other'";
}

TEST(ServerTableTest, ARemovedServerIsShownForTenMinutes) {
  ServerTable table(1);
  auto counters = table.Add("default", "a", kStart);
  const TimePoint removed = kStart + std::chrono::hours(5);
  EXPECT_EQ(Names(table, removed), Strings{"default/a"}) << "in use";
  counters.reset();
  EXPECT_EQ(Names(table, removed + std::chrono::minutes(9)), Strings{"default/a"});
  EXPECT_EQ(Names(table, removed + std::chrono::minutes(10)), Strings{});
}

TEST(ServerTableTest, OneThatComesBackInTimeGoesOnCounting) {
  ServerTable table(1);
  table.Add("default", "a", kStart)->slot(0).picks.Add(7);
  const auto again = table.Add("default", "a", kStart + std::chrono::minutes(1));
  again->slot(0).picks.Add();
  EXPECT_EQ(table.Collect(kStart).at(0).values.picks, 8U);
}

TEST(ServerTableTest, OneCanBeAskedForByName) {
  ServerTable table(2);
  const auto counters = table.Add("default", "a", kStart);
  counters->slot(0).picks.Add(2);
  counters->slot(1).picks.Add(3);
  EXPECT_EQ(table.Get("default", "a")->picks, 5U);
  EXPECT_FALSE(table.Get("other", "a"));
}

TEST(ServerTableTest, BeyondTheCapServersShareASeries) {
  ServerTable table(1);
  std::vector<std::shared_ptr<ServerCounters>> all;
  for (std::size_t i = 0; i < ServerTable::kMaxServers + 2; ++i) {
    all.push_back(table.Add("default", "s" + std::to_string(i), kStart));
  }
  EXPECT_EQ(all[ServerTable::kMaxServers], all[ServerTable::kMaxServers + 1]);
  const auto rows = table.Collect(kStart);
  EXPECT_EQ(rows.size(), ServerTable::kMaxServers + 1);
  EXPECT_EQ(rows.front().server, ServerTable::kOther);
}

TEST(ServerTableTest, TheCapCountsWhatIsThere) {
  ServerTable table(1);
  std::vector<std::shared_ptr<ServerCounters>> all;
  for (std::size_t i = 0; i < ServerTable::kMaxServers; ++i) {
    all.push_back(table.Add("default", "s" + std::to_string(i), kStart));
  }
  all.clear();
  const auto counters = table.Add("default", "late", kStart + std::chrono::minutes(10));
  EXPECT_EQ(Names(table, kStart + std::chrono::minutes(10)), Strings{"default/late"});
}

TEST(ServerCountersTest, StatusesWithoutAClassAreNone) {
  EXPECT_EQ(kCodeClassLabels.at(CodeClassLabel(0)), "none");
  EXPECT_EQ(kCodeClassLabels.at(CodeClassLabel(101)), "1xx");
  EXPECT_EQ(kCodeClassLabels.at(CodeClassLabel(599)), "5xx");
  EXPECT_EQ(kCodeClassLabels.at(CodeClassLabel(600)), "none");
}

}  // namespace
}  // namespace remora::proxy
