#include "cli/discovery/numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/discovery/log.h"

namespace remora::cli::discovery {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

Numbers Working() {
  Numbers numbers{.name = "web"};
  numbers.sources = {{.name = "default/web", .known = true, .up = true, .endpoints = 3}};
  numbers.status = {.sources_known = true,
                    .sidecar_up = true,
                    .in_sync = true,
                    .synced_once = true,
                    .probed_once = true,
                    .wanted = 3,
                    .present = 3};
  numbers.syncs = 2;
  numbers.last_sync_s = 1234.5;
  return numbers;
}

TEST(DiscoveryMetricsTest, EachSampleHasItsTypeAndLabels) {
  Numbers numbers = Working();
  numbers.sources.push_back({.name = "a\"b\\c\nd", .failures = 7, .relists = 2});
  numbers.status.held = 4;
  numbers.removed = 5;
  const std::string text = MetricsText(numbers);
  for (const char* line : {"# TYPE remora_discovery_source_up gauge\n",
                           "remora_discovery_source_up{source=\"default/web\"} 1\n",
                           "remora_discovery_source_up{source=\"a\\\"b\\\\c\\nd\"} 0\n",
                           "remora_discovery_endpoints{source=\"default/web\"} 3\n",
                           "remora_discovery_source_failures_total{source=\"a\\\"b\\\\c\\nd\"} 7\n",
                           "remora_discovery_relists_total{source=\"a\\\"b\\\\c\\nd\"} 2\n",
                           "remora_discovery_held 4\n", "remora_discovery_servers 3\n",
                           "remora_discovery_syncs_total{result=\"ok\"} 2\n",
                           "remora_discovery_changes_total{kind=\"removed\"} 5\n",
                           "remora_discovery_last_sync_timestamp_seconds 1234.500\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(DiscoveryReadyTest, ItIsReadyOnceTheSidecarHadEverything) {
  Numbers numbers = Working();
  EXPECT_TRUE(IsReady(numbers));
  EXPECT_EQ(ReadyText(numbers), "[+]source default/web\n[+]sidecar\nready\n");
  numbers.status.probed_once = false;
  numbers.status.unprobed = 2;
  EXPECT_FALSE(IsReady(numbers));
  EXPECT_EQ(ReadyText(numbers),
            "[+]source default/web\n[+]sidecar\n[-]first probes: 2 servers wait for theirs\nnot "
            "ready\n");
  numbers.status.synced_once = false;
  numbers.sources[0] = {.name = "default/web"};
  EXPECT_FALSE(IsReady(numbers));
  EXPECT_EQ(ReadyText(numbers), "[-]source default/web: no answer yet\n[+]sidecar\nnot ready\n");
}

TEST(DiscoveryReadyTest, ItStaysReadyWhenASourceOrTheSidecarGoesAway) {
  Numbers numbers = Working();
  numbers.sources[0].up = false;
  numbers.sources[0].cause = "can't connect";
  numbers.status.sidecar_up = false;
  numbers.sidecar_cause = "there is no socket";
  numbers.status.held = 2;
  EXPECT_TRUE(IsReady(numbers));
  EXPECT_EQ(ReadyText(numbers),
            "[!]source default/web: can't connect\n[!]sidecar: there is no socket\n"
            "[!]guard: 2 servers are kept that are gone\nready\n");
}

TEST(DiscoveryLogTest, NothingThatASourceSendsForgesALine) {
  std::ostringstream json;
  Log(json, Log::Format::kJson).Warn("source away", {{"cause", "a\n\"b\"\x1b"}});
  EXPECT_THAT(json.str(), EndsWith(R"("level":"warn","msg":"source away","cause":"a\n\"b\"\u001b"})"
                                   "\n"));
  std::ostringstream text;
  Log(text, Log::Format::kText).Info("synced", {{"changes", "x y"}, {"revision", "3"}});
  EXPECT_THAT(text.str(), EndsWith("Z info  synced changes=\"x y\" revision=3\n"));
}

TEST(DiscoveryLogTest, AFailureIsOneLine) {
  EXPECT_EQ(OneLine({.message = "refused:", .violations = {{"a", "b"}, {"c", "d"}}}),
            "refused: a: b; c: d");
}

}  // namespace
}  // namespace remora::cli::discovery
