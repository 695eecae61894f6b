// Reloading without a daemon: what changes, what waits for a restart, what a bad file leaves alone.
#include "server/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/parse.h"
#include "server/file_watch.h"
#include "tests/support/pool.h"

namespace remora::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Config Parse(std::string_view text) {
  absl::StatusOr<Config> config = ParseConfig(text, "c.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : Config();
}

// ---- what needs a restart -------------------------------------------------------------------

TEST(SettingsThatNeedRestartTest, ServersAreNotAmongThem) {
  EXPECT_THAT(SettingsThatNeedRestart(Parse("servers: [\"a:1\"]\n"),
                                      Parse("servers: [{url: \"b:1\", weight: 2}]\n")),
              IsEmpty());
}

TEST(SettingsThatNeedRestartTest, EachOtherKeyIsNamed) {
  EXPECT_THAT(
      SettingsThatNeedRestart(
          Parse("workers: 1\nlisteners: [{address: \"127.0.0.1:1\"}]\n"),
          Parse("workers: 2\nlisteners: [{address: \"127.0.0.1:2\"}]\n"
                "pools: [{name: default, timeouts: {idle: 9s}}]\nlog: {access: {sample: 0.5}}\n")),
      ElementsAre(
          "listeners[127.0.0.1:1].address", "listeners[127.0.0.1:1].direction",
          "listeners[127.0.0.1:1].pool", "listeners[127.0.0.1:1].timeouts.keep_alive",
          "listeners[127.0.0.1:1].timeouts.request_head", "listeners[127.0.0.1:1].underscores",
          "listeners[127.0.0.1:2].address", "listeners[127.0.0.1:2].direction",
          "listeners[127.0.0.1:2].pool", "listeners[127.0.0.1:2].timeouts.keep_alive",
          "listeners[127.0.0.1:2].timeouts.request_head", "listeners[127.0.0.1:2].underscores",
          "log.access.sample", "pools[default].timeouts.idle", "workers"));
}

TEST(SettingsThatNeedRestartTest, AnotherOrderOfPoolsIsNoChange) {
  EXPECT_THAT(SettingsThatNeedRestart(Parse("pools: [{name: default}, {name: b}]\n"),
                                      Parse("pools: [{name: b}, {name: default}]\n")),
              IsEmpty());
}

// ---- the reload -----------------------------------------------------------------------------

class ReloaderTest : public ::testing::Test {
 protected:
  void Start(std::string_view text) {
    const Config config = Parse(text);
    std::vector<std::string> pools;
    for (const proxy::PoolSettings& pool : config.proxy.pools) pools.push_back(pool.name);
    registry_ = std::make_unique<proxy::Registry>(pools, &events_);
    for (const ListedServer& server : config.servers) {
      ASSERT_TRUE(registry_->Add(server.pool, server.id, server.spec, "config").ok());
    }
    readiness_.ListenersBound();
    readiness_.ServersProbed();
    reloader_ = std::make_unique<Reloader>([this] { return ParseConfig(text_, "c.yaml"); }, config,
                                           *registry_, readiness_);
  }
  bool Reload(std::string_view text) {
    text_ = text;
    return reloader_->Reload("test");
  }
  std::vector<std::string> Servers() {
    std::vector<std::string> servers;
    const auto page = registry_->List("", std::nullopt, 100);
    for (const proxy::ServerView& view : page->servers) {
      servers.push_back(view.pool + "/" + view.id);
    }
    return servers;
  }
  std::string ConfigCheck() {
    for (const Readiness::Check& check : readiness_.checks()) {
      if (check.name == "config") return check.passed ? "ok" : check.reason;
    }
    return "no such check";
  }

  proxy::testing::RecordingEvents events_;
  std::unique_ptr<proxy::Registry> registry_;
  Readiness readiness_;
  std::string text_;
  std::unique_ptr<Reloader> reloader_;
};

TEST_F(ReloaderTest, ServersFollowTheFileAndThoseOfTheApiStay) {
  Start("servers: [\"a:1\", \"b:1\"]\n");
  ASSERT_TRUE(registry_->Add("", "api", {.url = "c:1", .labels = {}}, "api").ok());
  EXPECT_TRUE(Reload("servers: [\"b:1\", \"d:1\"]\n"));
  EXPECT_THAT(Servers(), ElementsAre("default/api", "default/b-1", "default/d-1"));
  const ReloadStats stats = reloader_->stats();
  EXPECT_EQ(stats.successes, 1U);
  EXPECT_EQ(stats.failures, 0U);
  EXPECT_TRUE(stats.last_ok);
  ASSERT_EQ(reloader_->running().servers.size(), 2U);
  EXPECT_EQ(reloader_->running().servers[1].spec.url, "d:1");
}

TEST_F(ReloaderTest, ABadFileChangesNothingAndSaysSoUntilAGoodOneComes) {
  Start("servers: [\"a:1\"]\n");
  const proxy::WallTime start = reloader_->stats().last_success_time;
  EXPECT_FALSE(Reload("servers: [\"b:1\"]\nworkers: x\nlgo: 1\n"));
  EXPECT_THAT(Servers(), ElementsAre("default/a-1"));
  EXPECT_THAT(ConfigCheck(), HasSubstr("c.yaml:2:10: workers: 'x'"));
  EXPECT_THAT(ConfigCheck(), HasSubstr("(and 1 more)"));
  EXPECT_TRUE(readiness_.ready());
  EXPECT_THAT(readiness_.reasons(), IsEmpty());
  EXPECT_EQ(reloader_->stats().failures, 1U);
  EXPECT_FALSE(reloader_->stats().last_ok);
  EXPECT_EQ(reloader_->stats().last_success_time, start);
  EXPECT_TRUE(Reload("servers: [\"a:1\"]\n"));
  EXPECT_EQ(ConfigCheck(), "ok");
  EXPECT_TRUE(reloader_->stats().last_ok);
}

TEST_F(ReloaderTest, AnIdThatTheApiHoldsIsAnErrorThatChangesNothing) {
  Start("servers: [\"a:1\"]\n");
  ASSERT_TRUE(registry_->Add("", "b-1", {.url = "c:1", .labels = {}}, "api").ok());
  EXPECT_FALSE(Reload("servers: [\"b:1\"]\n"));
  EXPECT_THAT(Servers(), ElementsAre("default/a-1", "default/b-1"));
  EXPECT_THAT(ConfigCheck(), HasSubstr("belongs to 'api'"));
}

TEST_F(ReloaderTest, PoolsStayAsTheyWereAndSoDoTheServersOfAPoolThatWentAway) {
  Start("servers: [\"a:1\"]\npools: [{name: old, servers: [\"o:1\"]}]\n");
  EXPECT_TRUE(Reload("servers: [\"b:1\"]\npools: [{name: new, servers: [\"n:1\"]}]\n"));
  EXPECT_THAT(Servers(), ElementsAre("default/b-1", "old/o-1"));
  EXPECT_TRUE(Reload("servers: []\npools: [{name: old, servers: [\"o:2\"]}]\n"));
  EXPECT_THAT(Servers(), ElementsAre("old/o-2"));
}

// ---- the way to the file --------------------------------------------------------------------

class DirectoriesTest : public ::testing::Test {
 protected:
  DirectoriesTest() {
    std::string name = std::filesystem::canonical(testing::TempDir()).string() + "/watch-XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~DirectoriesTest() override { std::filesystem::remove_all(root_); }
  static void Write(const std::filesystem::path& path) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << "x";
  }
  // Those inside the root, relative to it.
  std::vector<std::string> OnTheWay(const std::string& path) {
    std::vector<std::string> inside;
    for (const std::string& directory : DirectoriesOnTheWay(root_ / path)) {
      const std::string relative = std::filesystem::path(directory).lexically_relative(root_);
      if (!relative.starts_with("..")) inside.push_back(relative);
    }
    return inside;
  }
  std::filesystem::path root_;
};

TEST_F(DirectoriesTest, AFileHasItsOwn) {
  Write(root_ / "a/c.yaml");
  EXPECT_THAT(OnTheWay("a/c.yaml"), ElementsAre("a"));
  EXPECT_THAT(OnTheWay("a/../a/./c.yaml"), ElementsAre("a"));
}

TEST_F(DirectoriesTest, AConfigMapHasTheOneOfTheSwappedLink) {
  Write(root_ / "m/..2026/c.yaml");
  std::filesystem::create_directory_symlink("..2026", root_ / "m/..data");
  std::filesystem::create_symlink("..data/c.yaml", root_ / "m/c.yaml");
  EXPECT_THAT(OnTheWay("m/c.yaml"), ElementsAre("m", "m/..2026"));
}

TEST_F(DirectoriesTest, ALinkedDirectoryIsWatchedWhereTheLinkStands) {
  Write(root_ / "releases/2/c.yaml");
  std::filesystem::create_directory_symlink(root_ / "releases/2", root_ / "current");
  EXPECT_THAT(OnTheWay("current/c.yaml"), ElementsAre(".", "releases/2"));
}

TEST_F(DirectoriesTest, WhereTheFileIsMissingItsDirectoryIsWatchedAllTheSame) {
  std::filesystem::create_directory(root_ / "a");
  EXPECT_THAT(OnTheWay("a/c.yaml"), ElementsAre("a"));
  EXPECT_THAT(OnTheWay("b/c/d.yaml"), ElementsAre("."));
}

TEST_F(DirectoriesTest, ACircleOfLinksEnds) {
  std::filesystem::create_symlink("b", root_ / "a");
  std::filesystem::create_symlink("a", root_ / "b");
  EXPECT_THAT(OnTheWay("a"), ElementsAre("."));
}

}  // namespace
}  // namespace remora::server
