#include "proxy/observe/event_log.h"

#include <gtest/gtest.h>

#include <string>

namespace remora::proxy {
namespace {

Event OfKind(std::string kind) {
  Event event;
  event.kind = std::move(kind);
  return event;
}

TEST(EventLogTest, GivesRisingIdsAndKeepsTheNewest) {
  EventLog log;
  for (std::size_t i = 0; i < EventLog::kKept + 10; ++i)
    EXPECT_EQ(log.Add(OfKind("health")), i + 1);
  const auto kept = log.Since(0);
  ASSERT_EQ(kept.size(), EventLog::kKept);
  EXPECT_EQ(kept.front().id, 11U);
  EXPECT_EQ(log.Since(kept.back().id - 1).size(), 1U);
  EXPECT_TRUE(log.Since(kept.back().id).empty());
}

TEST(EventLogTest, CountsEachKind) {
  EventLog log;
  log.Add(OfKind("health"));
  log.Add(OfKind("drain"));
  log.Add(OfKind("health"));
  EXPECT_EQ(log.Counts().at("health"), 2U);
  EXPECT_EQ(log.Counts().at("drain"), 1U);
}

TEST(EventLogTest, ObserversSeeTheEventThatTheyAreToldOf) {
  EventLog log;
  std::size_t seen = 0;
  const auto id = log.Subscribe([&] { seen = log.Since(0).size(); });
  log.Add(OfKind("health"));
  EXPECT_EQ(seen, 1U);
  log.Unsubscribe(id);
  log.Add(OfKind("health"));
  EXPECT_EQ(seen, 1U);
}

}  // namespace
}  // namespace remora::proxy
