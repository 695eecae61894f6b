// What /metrics says, and what is made of samples of it.
#include "server/admin/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/admin/exposition.h"
#include "server/telemetry.h"

namespace remora::server {
namespace {

using proxy::ServerState;
using proxy::ServerTable;
using proxy::ServerView;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const proxy::LimitHits kNoHits;

ServerTable::Row Row(std::string server, std::uint64_t requests) {
  ServerTable::Row row{.pool = "default", .server = std::move(server), .values = {}};
  row.values.requests[2][0] = requests;
  return row;
}

MetricsInput Input() {
  MetricsInput input;
  input.limit_hits = &kNoHits;
  input.values.pools.emplace_back().pool = "default";
  return input;
}

ServerView View(std::string id, ServerState state, std::uint32_t active) {
  ServerView view;
  view.pool = "default";
  view.id = std::move(id);
  view.state = state;
  view.active = active;
  return view;
}

TEST(ExpositionTest, LabelsAreEscaped) {
  Exposition out(false);
  out.Begin("a_total", Exposition::Type::kCounter, "Help.");
  out.Sample({{"x", "quote \" back \\ line\n"}}, std::uint64_t{1});
  EXPECT_EQ(out.Finish(),
            "# HELP a_total Help.\n# TYPE a_total counter\n"
            "a_total{x=\"quote \\\" back \\\\ line\\n\"} 1\n");
}

TEST(ExpositionTest, OpenMetricsNamesTheFamilyWithoutTotalAndSaysWhereItEnds) {
  Exposition out(true);
  out.Begin("a_total", Exposition::Type::kCounter, "Help.");
  out.Sample({}, 0.5);
  EXPECT_EQ(out.Finish(), "# HELP a Help.\n# TYPE a counter\na_total 0.5\n# EOF\n");
}

TEST(ExpositionTest, BucketsAreCumulative) {
  proxy::HistogramValues values;
  values.buckets[0] = 1;
  values.buckets[12] = 2;
  values.buckets.back() = 4;
  values.sum_us = 1'500'000;
  Exposition out(false);
  out.Begin("d_seconds", Exposition::Type::kHistogram, "Help.");
  out.Sample({{"pool", "p"}}, values);
  const std::string text = out.Finish();
  EXPECT_THAT(text, HasSubstr("d_seconds_bucket{pool=\"p\",le=\"0.0005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("d_seconds_bucket{pool=\"p\",le=\"0.75\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("d_seconds_bucket{pool=\"p\",le=\"1.0\"} 3\n"));
  EXPECT_THAT(text, EndsWith("d_seconds_bucket{pool=\"p\",le=\"+Inf\"} 7\n"
                             "d_seconds_sum{pool=\"p\"} 1.5\nd_seconds_count{pool=\"p\"} 7\n"));
}

TEST(MetricsTest, RequestsWithoutAServerAreCountedToo) {
  MetricsInput input = Input();
  input.values.pools[0].requests[5][0] = 3;
  input.values.servers.push_back(Row("a", 2));
  const std::string text = RenderMetrics(input, MetricsFormat::kText);
  EXPECT_THAT(text, HasSubstr("remora_requests_total{pool=\"default\",server=\"\","
                              "code_class=\"5xx\",method=\"GET\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("remora_requests_total{pool=\"default\",server=\"a\","
                              "code_class=\"2xx\",method=\"GET\"} 2\n"));
}

TEST(MetricsTest, StatesAreShownOfServersWithSeriesOnlyAndOfTheLiveOne) {
  MetricsInput input = Input();
  input.values.servers.push_back(Row("a", 0));
  input.servers = {View("a", ServerState::kDraining, 7), View("a", ServerState::kActive, 1),
                   View("beyond-the-cap", ServerState::kActive, 0)};
  const std::string text = RenderMetrics(input, MetricsFormat::kText);
  EXPECT_THAT(text, HasSubstr("remora_server_active_requests{pool=\"default\",server=\"a\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("server=\"a\",state=\"ACTIVE\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("server=\"a\",state=\"DRAINING\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("beyond-the-cap")));
}

TEST(MetricsTest, TheFormatIsWhatTheScrapeAsksFor) {
  EXPECT_EQ(FormatFor(""), MetricsFormat::kText);
  EXPECT_EQ(FormatFor("*/*"), MetricsFormat::kText);
  EXPECT_EQ(FormatFor("application/openmetrics-text; version=1.0.0,text/plain;q=0.5"),
            MetricsFormat::kOpenMetrics);
  EXPECT_THAT(RenderMetrics(Input(), MetricsFormat::kOpenMetrics), EndsWith("# EOF\n"));
}

TEST(MetricsTest, TheProcessKnowsItself) {
  const ProcessStats stats = ReadProcessStats();
  EXPECT_GT(stats.resident_bytes, 1'000'000U);
  EXPECT_GE(stats.open_fds, 3U);
  EXPECT_GE(stats.max_fds, stats.open_fds);
  EXPECT_GT(stats.start_time, 1.6e9);
}

ServerTable::Row Timed(std::uint64_t fast, std::uint64_t slow) {
  ServerTable::Row row = Row("a", fast + slow);
  row.values.duration.buckets[0] = fast;
  row.values.duration.buckets[12] = slow;  // up to 1 s
  return row;
}

TEST(SampleWindowTest, QuantilesAreOfTheLastMinute) {
  SampleWindow window;
  window.Add({Timed(1000, 0)});
  window.Add({Timed(1000, 4)});
  EXPECT_GT(window.Values().at({"default", "a"}).p50, std::chrono::milliseconds(750));
}

TEST(SampleWindowTest, WhatIsOlderThanAMinuteIsForgotten) {
  SampleWindow window;
  window.Add({Timed(0, 4)});
  for (std::size_t i = 0; i < SampleWindow::kSamples; ++i) window.Add({Timed(0, 4)});
  EXPECT_THAT(window.Values(), IsEmpty());
}

TEST(SampleWindowTest, ANameThatComesBackBeginsAnew) {
  SampleWindow window;
  window.Add({Timed(1000, 0)});
  window.Add({Timed(0, 4)});
  EXPECT_GT(window.Values().at({"default", "a"}).p50, std::chrono::milliseconds(750));
}

TEST(LimitWatchTest, EachLimitIsOneEventHoweverOftenItWasHit) {
  proxy::LimitHits hits;
  LimitWatch watch;
  EXPECT_THAT(watch.Look(hits), IsEmpty());
  hits.Add(proxy::Limit::kHeadBytes);
  for (int i = 0; i < 3; ++i) hits.Add(proxy::Limit::kConnections);
  const std::vector<proxy::Event> events = watch.Look(hits);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].kind, "limit");
  EXPECT_EQ(events[0].cause, "head_bytes was hit 1 time, 1 since the start");
  EXPECT_EQ(events[1].cause, "connections was hit 3 times, 3 since the start");
  EXPECT_THAT(watch.Look(hits), IsEmpty());
  hits.Add(proxy::Limit::kConnections);
  EXPECT_EQ(watch.Look(hits).at(0).cause, "connections was hit 1 time, 4 since the start");
}

TEST(LimitWatchTest, AnIdleConnectionThatEndsIsNoEvent) {
  proxy::LimitHits hits;
  LimitWatch watch;
  hits.Add(proxy::Limit::kKeepAliveTime);
  hits.Add(proxy::Limit::kConnectionRequests);
  EXPECT_THAT(watch.Look(hits), IsEmpty());
}

}  // namespace
}  // namespace remora::server
