#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "cli/apply/plan.h"
#include "cli/apply/wanted.h"
#include "cli/commands/commands.h"
#include "cli/output/views.h"
#include "tests/unit/cli/fake_control_client.h"

namespace remora::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<WantedServer> Wanted(const std::string& text) {
  auto wanted = ParseWanted(text, "f");
  EXPECT_TRUE(wanted) << wanted.error().message;
  return wanted ? *wanted : std::vector<WantedServer>();
}

std::vector<std::string> Texts(const Reply<Plan>& plan) {
  std::vector<std::string> texts;
  if (!plan) return {plan.error().message};
  for (const Step& step : plan->steps) texts.push_back(step.text);
  return texts;
}

TEST(WantedTest, AServerIsAUrlOrAMap) {
  const auto wanted = Wanted(
      "servers:\n"
      "  - http://a:1\n"
      "  - {url: 'b:2', id: b, weight: 3, max_active: 4, labels: {zone: x}, pool: blue}\n");
  ASSERT_EQ(wanted.size(), 2U);
  EXPECT_EQ(wanted[0].pool, "default");
  EXPECT_EQ(wanted[0].id, "");
  EXPECT_EQ(wanted[0].spec.url(), "http://a:1");
  EXPECT_EQ(wanted[0].spec.weight(), 1U);
  EXPECT_EQ(wanted[0].where, "f:2:5");
  EXPECT_EQ(wanted[1].pool, "blue");
  EXPECT_EQ(wanted[1].id, "b");
  EXPECT_EQ(wanted[1].spec.weight(), 3U);
  EXPECT_EQ(wanted[1].spec.max_active(), 4U);
  EXPECT_EQ(wanted[1].spec.labels().at("zone"), "x");
}

TEST(WantedTest, AnEmptyListIsAFileToo) { EXPECT_THAT(Wanted("servers: []"), IsEmpty()); }

TEST(WantedTest, EachFaultHasItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "f:1:1: must be a map with the key 'servers'"},
      {"{}", "f:1:1: has no key 'servers'"},
      {"servers: a", "f:1:10: 'servers' must be a list"},
      {"servers: []\npools: []", "f:2:1: unknown key 'pools'"},
      {"servers:\n- {url: a, wieght: 2}", "f:2:12: unknown key 'wieght'"},
      {"servers:\n- {id: a}", "f:2:3: a server needs a url"},
      {"servers:\n- {url: a, weight: 0}", "f:2:20: 'weight' must be a number from 1 to 1000"},
      {"servers:\n- {url: a, weight: many}", "f:2:20: 'weight' must be a number"},
      {"servers:\n- {url: a, max_active: -1}", "'max_active' must be a number from 0 to 1000000"},
      {"servers:\n- {url: a, labels: [x]}", "f:2:20: 'labels' must be a map"},
      {"servers:\n- {url: a, labels: {x: [1]}}", "a label is a text"},
      {"servers:\n- {url: [a]}", "'url' must be a text"},
      {"servers:\n- [a]", "f:2:3: a server is a url, or a map"},
      {"servers:\n- a:1\n- http://A:1/", "f:3:3: default/http://a:1 is listed already, at f:2:3"},
      {"servers: [", "f:"},
  };
  for (const auto& [text, fault] : cases) {
    const auto wanted = ParseWanted(text, "f");
    ASSERT_FALSE(wanted) << text;
    EXPECT_EQ(wanted.error().exit, ExitCode::kUsage);
    EXPECT_THAT(FailureText(wanted.error()), HasSubstr(fault)) << text;
  }
}

TEST(WantedTest, AllFaultsAreNamedAtOnce) {
  const auto wanted = ParseWanted("servers:\n- {url: a, weight: 0, x: 1}\n- {id: b}", "f");
  ASSERT_FALSE(wanted);
  for (const char* place : {"f:2:20:", "f:2:23:", "f:3:3:"}) {
    EXPECT_THAT(FailureText(wanted.error()), HasSubstr(place));
  }
}

TEST(WantedTest, AFileThatCanNotBeReadIsNamed) {
  const auto wanted = ReadWanted("/nonexistent/servers.yaml");
  ASSERT_FALSE(wanted);
  EXPECT_EQ(wanted.error().exit, ExitCode::kUsage);
  EXPECT_THAT(wanted.error().message, HasSubstr("/nonexistent/servers.yaml"));
}

TEST(PlanTest, WhatIsAsItShouldBeIsLeftAlone) {
  const std::vector present = {MakeServer("a", "http://a:1"), MakeServer("b", "http://b:80")};
  const auto plan = MakePlan(Wanted("servers: ['a:1', {id: b, url: B}]"), present, true);
  EXPECT_THAT(Texts(plan), IsEmpty());
  EXPECT_EQ(plan->unchanged, 2U);
}

TEST(PlanTest, WhatDiffersIsChangedInPlaceAndAnotherUrlIsAnotherServer) {
  std::vector present = {MakeServer("a", "http://a:1"), MakeServer("b", "http://b:1")};
  (*present[0].mutable_spec()->mutable_labels())["zone"] = "x";
  const auto plan =
      MakePlan(Wanted("servers: [{url: 'a:1', weight: 2, max_active: 5}, {id: b, url: 'c:1'}]"),
               present, false);
  EXPECT_THAT(Texts(plan),
              ElementsAre("default/b: url http://b:1 -> http://c:1 (removed and added again)",
                          "default/a: weight 1 -> 2, max_active no limit -> 5, labels zone=x -> "
                          "none"));
  EXPECT_EQ(plan->steps[0].kind, Step::Kind::kReplace);
  EXPECT_EQ(plan->steps[1].kind, Step::Kind::kUpdate);
}

TEST(PlanTest, PruneRemovesOnlyWhatTheApiOwnsAndBeforeAnythingIsAdded) {
  std::vector present = {MakeServer("a", "http://a:1"), MakeServer("b", "http://b:1"),
                         MakeServer("c", "http://c:1", v1::ServerStatus::DRAINING),
                         MakeServer("d", "http://d:1", v1::ServerStatus::DRAINING)};
  present[1].set_owner("config");
  present[3].mutable_status()->set_drained(true);
  const auto wanted = Wanted("servers: ['new:1']");
  EXPECT_THAT(Texts(MakePlan(wanted, present, false)),
              ElementsAre("default/(made from the url): new:1"));
  EXPECT_THAT(Texts(MakePlan(wanted, present, true)),
              ElementsAre("default/a: http://a:1", "default/d: http://d:1",
                          "default/(made from the url): new:1"));
}

TEST(PlanTest, AServerThatWasRemovedAndStillDrainsIsNotThere) {
  const std::vector present = {MakeServer("a", "http://a:1", v1::ServerStatus::DRAINING)};
  EXPECT_THAT(Texts(MakePlan(Wanted("servers: [{id: a, url: 'a:1'}]"), present, false)),
              ElementsAre("default/a: a:1"));
}

TEST(PlanTest, OfTwoWithOneUrlEachEntryTakesItsOwn) {
  const std::vector present = {MakeServer("x", "http://a:1"), MakeServer("y", "http://a:1")};
  const auto plan = MakePlan(Wanted("servers: ['a:1', {id: x, url: 'a:1'}]"), present, true);
  EXPECT_THAT(Texts(plan), IsEmpty());
  EXPECT_EQ(plan->unchanged, 2U);
}

TEST(PlanTest, WhatTheConfigurationOwnsIsNeverChanged) {
  std::vector present = {MakeServer("a", "http://a:1")};
  present[0].set_owner("config");
  EXPECT_TRUE(MakePlan(Wanted("servers: ['a:1']"), present, true)) << "it is as it should be";
  const auto plan = MakePlan(Wanted("servers: ['b:1', {url: 'a:1', weight: 2}]"), present, true);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().exit, ExitCode::kPrecondition);
  EXPECT_THAT(FailureText(plan.error()),
              HasSubstr("f:1:18: default/a is owned by 'config' and differs: weight 1 -> 2"));
}

class ApplyTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(file_) << "servers: [{id: a, url: 'a:1', weight: 2}, {id: b, url: 'c:1'}, 'd:1']";
    bench_.client.list_replies = {
        MakePage({MakeServer("a", "http://a:1"), MakeServer("b", "http://b:1"),
                  MakeServer("gone", "http://g:1")})};
  }
  void TearDown() override { std::filesystem::remove(file_); }

  const std::string file_ = testing::TempDir() + "remora-apply-test.yaml";
  Bench bench_;
};

TEST_F(ApplyTest, ADryRunShowsAndChangesNothing) {
  ASSERT_TRUE(ServersApply({.file = file_, .dry_run = true, .prune = true}, bench_.context()));
  EXPECT_THAT(bench_.client.changes, IsEmpty());
  EXPECT_EQ(bench_.out.str(),
            "- default/gone: http://g:1\n"
            "~ default/a: weight 1 -> 2\n"
            "~ default/b: url http://b:1 -> http://c:1 (removed and added again)\n"
            "+ default/(made from the url): d:1\n");
  EXPECT_EQ(bench_.err.str(),
            "Nothing was changed. It would be: 1 added, 2 changed, 1 removed, 0 as they were.\n");
}

TEST_F(ApplyTest, EachStepIsTaken) {
  ASSERT_TRUE(ServersApply({.file = file_, .prune = true}, bench_.context()));
  EXPECT_THAT(bench_.client.changes,
              ElementsAre("remove default/gone", "update default/a", "remove default/b",
                          "add default/b", "add default/"));
  EXPECT_EQ(bench_.client.updated.spec().weight(), 2U);
  EXPECT_EQ(bench_.client.added.spec().url(), "d:1");
  EXPECT_EQ(bench_.err.str(), "1 added, 2 changed, 1 removed, 0 as they were.\n");
}

TEST_F(ApplyTest, AFailureNamesItsStepAndWhatWasDoneIsShown) {
  bench_.client.add_reply = std::unexpected(Failure{.exit = ExitCode::kAuth, .message = "no"});
  const Outcome outcome = ServersApply({.file = file_}, bench_.context());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().exit, ExitCode::kAuth);
  EXPECT_THAT(outcome.error().message, HasSubstr("at default/b: url"));
  EXPECT_EQ(bench_.out.str(), "~ default/a: weight 1 -> 2\n");
}

}  // namespace
}  // namespace remora::cli
