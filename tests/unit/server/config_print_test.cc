// What --print-config, /config and the JSON Schema say of the tables of keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/parse.h"
#include "server/config/print.h"

namespace remora::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Config Build(const ConfigSources& sources) {
  absl::StatusOr<Config> config = BuildConfig(sources);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : Config();
}

Config Parse(std::string_view text) {
  return Build(
      {.demo = false, .file_text = std::string(text), .file_name = "c.yaml", .overrides = {}});
}

std::string ReadSource(std::string_view name) {
  std::ifstream file(std::string(REMORA_SOURCE_DIR) + "/" + std::string(name));
  EXPECT_TRUE(file.is_open()) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Without the comments, which say where values came from.
std::string Values(const Config& config) {
  std::istringstream lines(RenderConfigYaml(config));
  std::string values;
  for (std::string line; std::getline(lines, line);) {
    values += line.substr(0, line.find("  # ")) + "\n";
  }
  return values;
}

constexpr std::string_view kFile =
    "workers: 3\n"
    "pools:\n"
    "  - name: api\n"
    "    timeouts: {connect: 2s}\n"
    "    servers:\n"
    "      - {url: \"a:1\", weight: 5, labels: {zone: \"true\"}}\n"
    "      - b:1\n"
    "listeners: [{address: \"127.0.0.1:1\", pool: api}]\n"
    "log: {level: warn, access: {path: \"/a b#\"}}\n";

TEST(PrintTest, EachValueSaysWhereItCameFrom) {
  const std::string yaml = RenderConfigYaml(
      Build({.demo = false,
             .file_text = std::string(kFile),
             .file_name = "c.yaml",
             .overrides = {{"REMORA_LOG_LEVEL", "log.level", {"error"}},
                           {"REMORA_ADMIN_ADDRESS", "admin.address", {"127.0.0.1:9"}},
                           {"--admin", "admin.address", {"127.0.0.1:10"}}}}));
  EXPECT_THAT(yaml, HasSubstr("workers: 3  # c.yaml:1:10\n"));
  EXPECT_THAT(yaml, HasSubstr("      connect: 2s  # c.yaml:4:25\n"));
  EXPECT_THAT(yaml, HasSubstr("      idle: 1m  # default\n"));
  EXPECT_THAT(yaml, HasSubstr("      - id: a-1  # made from the url\n"
                              "        url: a:1  # c.yaml:6:15\n"
                              "        weight: 5  # c.yaml:6:30\n"
                              "        max_active: 0  # default\n"
                              "        labels:\n"
                              "          zone: \"true\"  # c.yaml:6:48\n"));
  EXPECT_THAT(yaml, HasSubstr("        url: b:1  # c.yaml:7:9\n"));
  EXPECT_THAT(yaml, HasSubstr("  level: error  # REMORA_LOG_LEVEL\n"));
  EXPECT_THAT(yaml, HasSubstr("  address: \"127.0.0.1:10\"  # --admin\n"));
  EXPECT_THAT(yaml, HasSubstr("    path: \"/a b#\"  # c.yaml:9:35\n"));
}

TEST(PrintTest, WhatIsPrintedReadsBackAsTheSame) {
  for (const std::string_view text :
       {std::string_view(), kFile, std::string_view("servers: [\"a:1\", \"unix:/x/y\"]\n"),
        std::string_view("pools: [{name: \"1\"}, {name: \"true\"}]\nlisteners: [{pool: \"1\"}]\n"),
        std::string_view(
            "servers: [{url: \"a:1\", labels: {a: \"\", b: \"~\", c: \"- x\", \"d: \": "
            "\"\\e[1m\", e: \"1.5\", \"null\": \"n\"}}]\n")}) {
    Config config = Parse(text);
    config.control.address = "unix:/x";  // as LoadConfig does where none is set
    const std::string yaml = RenderConfigYaml(config);
    EXPECT_EQ(Values(Parse(yaml)), Values(config)) << yaml;
  }
}

TEST(PrintTest, ListenersOfAFlagHaveNothingOfThoseThatTheyReplace) {
  const std::string yaml =
      RenderConfigYaml(Build({.demo = false,
                              .file_text = std::string(kFile),
                              .file_name = "c.yaml",
                              .overrides = {{"--listen", "listeners", {"127.0.0.1:2"}}}}));
  EXPECT_THAT(yaml, HasSubstr("  - address: \"127.0.0.1:2\"  # --listen\n"
                              "    pool: api  # the only pool\n"
                              "    direction: outbound  # default\n"));
  EXPECT_THAT(yaml, Not(HasSubstr("c.yaml:8")));
}

TEST(PrintTest, TheServersOfAllSourcesKeepTheirOwn) {
  const std::string yaml =
      RenderConfigYaml(Build({.demo = false,
                              .file_text = "servers: [{url: \"a:1\", weight: 2}]\n",
                              .file_name = "c.yaml",
                              .overrides = {{"--server", "servers", {"b:1"}}}}));
  EXPECT_THAT(yaml, HasSubstr("url: a:1  # c.yaml:1:17\n        weight: 2  # c.yaml:1:32\n"));
  EXPECT_THAT(yaml, HasSubstr("url: b:1  # --server\n        weight: 1  # default\n"));
}

TEST(PrintTest, JsonHasTheValuesAndTheirOrigins) {
  Config config = Parse(kFile);
  config.control.address = "unix:/x";
  const std::string json = RenderConfigJson(config);
  EXPECT_THAT(json, HasSubstr("\"file\": \"c.yaml\""));
  EXPECT_THAT(json, HasSubstr("\"workers\": 3,"));
  EXPECT_THAT(json, HasSubstr("\"allow_mutations\": false"));
  EXPECT_THAT(json, HasSubstr("\"workers\": \"c.yaml:1:10\""));
  EXPECT_THAT(json, HasSubstr("\"pools[0].servers[0].weight\": \"c.yaml:6:30\""));
  EXPECT_THAT(json, Not(HasSubstr("\"pools[0].timeouts.idle\""))) << "it is a default";
  const std::size_t begin = json.find("\"config\": ") + 10;
  const std::size_t end = json.find(",\n  \"origins\"");
  EXPECT_EQ(Values(Parse(json.substr(begin, end - begin))), Values(config)) << "JSON is YAML";
}

TEST(SettingsTest, PoolsAndListenersGoByTheirNames) {
  const auto settings = SettingsByPath(Parse(kFile));
  EXPECT_EQ(settings.at("pools[api].timeouts.connect"), "2s");
  EXPECT_EQ(settings.at("listeners[127.0.0.1:1].pool"), "api");
  EXPECT_TRUE(std::ranges::none_of(
      settings, [](const auto& setting) { return setting.first.contains("servers"); }));
}

// ---- deploy/config.example.yaml -------------------------------------------------------------

TEST(ExampleTest, SaysTheDefaults) {
  EXPECT_EQ(Values(Parse(ReadSource("deploy/config.example.yaml"))), Values(Parse("")));
}

// With the settings that have no fixed default.
TEST(ExampleTest, HasEveryKey) {
  std::istringstream lines(ReadSource("deploy/config.example.yaml"));
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    text += (line.starts_with("#  ") ? line.substr(1) : line) + "\n";
  }
  const std::string yaml = RenderConfigYaml(Parse(text));
  std::istringstream printed(yaml);
  bool only_url = false;  // the first server has nothing else
  for (std::string line; std::getline(printed, line);) {
    if (line.contains("127-0-0-1-9001")) only_url = true;
    if (line.contains("id: second")) only_url = false;
    if (!only_url) EXPECT_THAT(line, Not(HasSubstr("  # default"))) << "not in the example";
  }
  EXPECT_THAT(yaml, HasSubstr("id: second  # c.yaml:"));
  EXPECT_THAT(yaml, HasSubstr("max_active: 0  # c.yaml:"));
  EXPECT_THAT(yaml, HasSubstr("zone: a  # c.yaml:"));
}

// ---- deploy/config.schema.json --------------------------------------------------------------

TEST(SchemaTest, TheFileIsWhatTheTablesSay) {
  EXPECT_EQ(ReadSource("deploy/config.schema.json"), RenderConfigSchema())
      << "run: remorad --print-schema > deploy/config.schema.json";
}

}  // namespace
}  // namespace remora::server
