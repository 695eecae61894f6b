#include "proxy/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "proxy/base/status.h"
#include "tests/support/pool.h"

namespace remora::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RegistryTest : public ::testing::Test {
 protected:
  ServerView AddOk(std::string_view id, std::string_view url = "127.0.0.1:9001",
                   std::string_view pool = "default") {
    auto result = registry_.Add(pool, id, Spec(url), "api");
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->server : ServerView{};
  }
  static ServerSpec Spec(std::string_view url, std::uint32_t weight = 1) {
    return {.url = std::string(url), .weight = weight, .max_active = 0, .labels = {}};
  }
  void MakeHealthy(const ServerView& server) { Report(server, ServerState::kActive); }
  void Report(const ServerView& server, ServerState state) {
    testing::ReportState(registry_, server.uid, state);
  }
  const BackendSet& Set(std::string_view pool = "default") {
    held_ = registry_.snapshot();
    return *held_->pools.at(*registry_.PoolIndex(pool));
  }
  std::vector<std::string> EligibleIds() {
    std::vector<std::string> ids;
    for (const Candidate& candidate : Set().eligible) ids.push_back(candidate.backend->id());
    return ids;
  }
  // One running request on the server, which must be eligible.
  ActiveRequest StartRequest(std::string_view id) { return testing::StartRequest(Set(), id); }

  testing::RecordingEvents events_;
  Registry registry_{{"default", "other"}, &events_};
  std::shared_ptr<const Snapshot> held_;
};

// ---- add ----------------------------------------------------------------------------------------

TEST_F(RegistryTest, AnAddedServerIsListedWithItsCanonicalUrlAndWarms) {
  const auto result = registry_.Add("", "a", Spec("HTTP://App:80/x/"), "api");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->created);
  const auto got = registry_.Get("default", "a");
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->pool, "default");
  EXPECT_EQ(got->spec.url, "http://app:80/x");
  EXPECT_EQ(got->owner, "api");
  EXPECT_EQ(got->state, ServerState::kWarming);
  EXPECT_EQ(got->uid, result->server.uid);
  EXPECT_EQ(got->active, 0u);
  EXPECT_FALSE(got->last_probe.has_value());
  EXPECT_FALSE(got->drain_deadline.has_value());
}

TEST_F(RegistryTest, TheSameContentAgainChangesNothing) {
  const ServerView first = AddOk("a", "127.0.0.1:9001");
  const std::uint64_t generation = registry_.generation();
  const auto again = registry_.Add("default", "a", Spec("http://127.0.0.1:9001/"), "api");
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->server.uid, first.uid);
  EXPECT_EQ(again->server.revision, first.revision);
  EXPECT_EQ(registry_.generation(), generation);
}

TEST_F(RegistryTest, TheSameIdWithAnotherSpecIsRefusedAndKeepsTheFirst) {
  const ServerView first = AddOk("a", "127.0.0.1:9001");
  for (const ServerSpec& other :
       {Spec("127.0.0.1:9002"), Spec("127.0.0.1:9001", 2), ServerSpec{"127.0.0.1:9001", 1, 5, {}},
        ServerSpec{"127.0.0.1:9001", 1, 0, {{"k", "v"}}}}) {
    const auto result = registry_.Add("default", "a", other, "api");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(ReasonOf(result.status()), "SERVER_ALREADY_EXISTS");
  }
  EXPECT_EQ(registry_.Get("default", "a")->uid, first.uid);
}

TEST_F(RegistryTest, EveryFieldAtFaultIsNamedAtOnce) {
  const auto result = registry_.Add(
      "default", "Not An Id",
      {.url = "ftp://x", .weight = 1001, .max_active = 1'000'001, .labels = {{"", "v"}}}, "api");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(result.status()), "INVALID_FIELD");
  std::vector<std::string> fields;
  for (const FieldViolation& violation : ViolationsOf(result.status())) {
    fields.push_back(violation.field);
    EXPECT_FALSE(violation.description.empty()) << violation.field;
  }
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre("spec.weight", "spec.max_active",
                                                      "spec.labels", "spec.url", "id"));
}

TEST_F(RegistryTest, TheEdgesOfEachRangeAreAllowedAndWhatIsBeyondIsNot) {
  const auto refused = [&](const ServerSpec& spec) {
    return !registry_.Add("default", "", spec, "api").ok();
  };
  EXPECT_TRUE(refused(Spec("a:1", 0)));
  EXPECT_FALSE(refused(Spec("a:2", 1)));
  EXPECT_FALSE(refused(Spec("a:3", 1000)));
  EXPECT_TRUE(refused(Spec("a:4", 1001)));
  EXPECT_FALSE(refused({"a:5", 1, 1'000'000, {}}));
  EXPECT_TRUE(refused({"a:6", 1, 1'000'001, {}}));
  EXPECT_FALSE(refused({"a:7", 1, 0, {{std::string(63, 'k'), std::string(256, 'v')}}}));
  EXPECT_TRUE(refused({"a:8", 1, 0, {{std::string(64, 'k'), "v"}}}));
  EXPECT_TRUE(refused({"a:9", 1, 0, {{"k", std::string(257, 'v')}}}));
  std::map<std::string, std::string> labels;
  for (int i = 0; i < 64; ++i) labels["k" + std::to_string(i)] = "v";
  EXPECT_FALSE(refused({"a:10", 1, 0, labels}));
  labels["one-more"] = "v";
  EXPECT_TRUE(refused({"a:11", 1, 0, labels}));
}

TEST_F(RegistryTest, ALabelMustBeUtf8AndTheOneAtFaultIsNamed) {
  const std::map<std::string, std::string> cases = {
      {"zone", "\xff"}, {"ni\xc3", "v"}, {"cut", "\xe2\x82"}, {"long", "\xc0\xaf"}};
  for (const auto& [key, value] : cases) {
    const auto result = registry_.Add("", "a", {"a:1", 1, 0, {{key, value}}}, "config");
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << key;
    ASSERT_EQ(ViolationsOf(result.status()).size(), 1u);
    EXPECT_EQ(ViolationsOf(result.status())[0].field, "spec.labels");
    EXPECT_THAT(ViolationsOf(result.status())[0].description,
                HasSubstr("'" + Shown(key, 100) + "'"));
    EXPECT_THAT(ViolationsOf(result.status())[0].description, HasSubstr("is not UTF-8"));
  }
  EXPECT_TRUE(registry_.Add("", "a", {"a:1", 1, 0, {{"Größe", "€ 😀"}}}, "config").ok());
}

TEST_F(RegistryTest, ManyLabelsAtFaultMakeAnErrorThatStaysSmall) {
  std::map<std::string, std::string> labels;
  for (int i = 0; i < 60; ++i) {
    labels[std::string(200, '\x01') + std::to_string(i)] = std::string(1000, 'v');
  }
  const auto result = registry_.Add("", "NO", {"a b", 0, 2'000'000, labels}, "api");
  const std::vector<FieldViolation> violations = ViolationsOf(result.status());
  ASSERT_EQ(violations.size(), kMaxViolations);
  EXPECT_EQ(violations[0].field, "spec.weight");
  EXPECT_EQ(violations[4].field, "spec.labels");
  const std::string message(result.status().message());
  EXPECT_LE(message.size(), kMaxStatusMessage);
  EXPECT_THAT(message, ::testing::EndsWith("; and 54 more"));
  for (const FieldViolation& violation : violations) {
    EXPECT_THAT(message, HasSubstr(violation.description));
  }
}

TEST(ErrorTextTest, ACharacterIsNeverSplit) {
  const std::string euros = "€€€€";  // three bytes each
  EXPECT_EQ(Cut(euros, 12), euros);
  EXPECT_EQ(Cut(euros, 11), "€€...");
  EXPECT_EQ(Cut(euros, 9), "€€...");
  EXPECT_EQ(Cut(euros, 8), "€...");
  EXPECT_EQ(Cut(euros, 3), "...");
}

TEST(ErrorTextTest, WhatATerminalMayActOnAndWhatIsNotUtf8IsEscaped) {
  EXPECT_EQ(Shown("a\x1b[2J\x7f", 100), "a\\x1b[2J\\x7f");
  EXPECT_EQ(Shown("\xc2\x9b|\xc2\xa0", 100), "\\xc2\\x9b|\xc2\xa0");
  EXPECT_EQ(Shown("Größe \xff\xe2\x82", 100), "Größe \\xff\\xe2\\x82");
  EXPECT_EQ(Shown(std::string(100'000, '\x01'), 10), "\\x01...");
  EXPECT_EQ(Shown("€€€€", 11), "€€...");
}

TEST(ErrorTextTest, Utf8IsWhatTheStandardSays) {
  for (const char* good : {"", "a", "ä", "€", "😀", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x82z"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST_F(RegistryTest, AnIdIsMadeFromTheUrlWhereNoneIsGiven) {
  const auto result = registry_.Add("", "", Spec("127.0.0.1:9001"), "api");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->server.id, "127-0-0-1-9001");
  EXPECT_TRUE(registry_.Get("", "127-0-0-1-9001").ok());
}

TEST_F(RegistryTest, AnUnknownPoolIsNotFoundForEachVerb) {
  for (const absl::Status& status :
       {registry_.Add("nope", "a", Spec("a:1"), "api").status(),
        registry_.Remove("nope", "a", seconds(1)).status(), registry_.Get("nope", "a").status(),
        registry_.List("nope", std::nullopt, 10).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ReasonOf(status), "POOL_NOT_FOUND");
    EXPECT_THAT(std::string(status.message()), HasSubstr("default, other"));
  }
}

TEST_F(RegistryTest, TheSameIdMayBeInTwoPools) {
  const ServerView a = AddOk("a", "127.0.0.1:1", "default");
  const ServerView b = AddOk("a", "127.0.0.1:2", "other");
  EXPECT_NE(a.uid, b.uid);
  ASSERT_TRUE(registry_.Remove("other", "a", seconds(0)).ok());
  EXPECT_TRUE(registry_.Get("default", "a").ok());
  EXPECT_FALSE(registry_.Get("other", "a").ok());
}

TEST_F(RegistryTest, AFullRegistryRefusesOneMoreAndTakesItAfterARemoval) {
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "10,000 additions, each of which publishes, take minutes; there is one thread";
#endif
  MakeHealthy(AddOk("busy"));
  ActiveRequest request = StartRequest("busy");
  ASSERT_TRUE(registry_.Remove("", "busy", seconds(30)).ok());  // drains, and still counts
  for (std::size_t i = 1; i < Registry::kMaxServers; ++i) {
    ASSERT_TRUE(registry_.Add("", "s" + std::to_string(i), Spec("127.0.0.1:1"), "api").ok());
  }
  const auto refused = registry_.Add("", "more", Spec("127.0.0.1:1"), "api");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused.status()), "REGISTRY_FULL");
  EXPECT_TRUE(registry_.Add("", "s1", Spec("127.0.0.1:1"), "api").ok()) << "it is there already";
  ASSERT_TRUE(registry_.Remove("", "s2", seconds(1)).ok());
  EXPECT_TRUE(registry_.Add("", "more", Spec("127.0.0.1:1"), "api").ok());
}

// ---- health and what is published ---------------------------------------------------------------

TEST_F(RegistryTest, OnlyAHealthyServerIsEligible) {
  const ServerView a = AddOk("a");
  EXPECT_THAT(EligibleIds(), IsEmpty());
  EXPECT_EQ(Set().total, 1u);
  MakeHealthy(a);
  EXPECT_THAT(EligibleIds(), ElementsAre("a"));
  Report(a, ServerState::kUnhealthy);
  EXPECT_THAT(EligibleIds(), IsEmpty());
  EXPECT_EQ(Set().total, 1u);
}

TEST_F(RegistryTest, TheSetIsOrderedByIdAndKnowsTheGreatestEligibleWeight) {
  for (const char* id : {"c", "a", "b"}) {
    const auto added =
        registry_.Add("", id, Spec("127.0.0.1:1", static_cast<std::uint32_t>(id[0] - 'a' + 1)), "");
    MakeHealthy(added->server);
  }
  EXPECT_THAT(EligibleIds(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(Set().max_weight, 3u);
  ASSERT_TRUE(registry_.Remove("", "c", seconds(1)).ok());
  EXPECT_EQ(Set().max_weight, 2u);
}

TEST_F(RegistryTest, EachChangeOfStateMovesGenerationAndRevisionAndAMereProbeMovesNeither) {
  const ServerView a = AddOk("a");
  const std::uint64_t before = registry_.generation();
  MakeHealthy(a);
  const ServerView healthy = *registry_.Get("", "a");
  EXPECT_GT(registry_.generation(), before);
  EXPECT_GT(healthy.revision, a.revision);
  const std::uint64_t after = registry_.generation();
  MakeHealthy(a);
  EXPECT_EQ(registry_.generation(), after);
  EXPECT_EQ(registry_.Get("", "a")->revision, healthy.revision);
  EXPECT_TRUE(registry_.Get("", "a")->last_probe.has_value());
}

TEST_F(RegistryTest, AReportThatIsNoProbeKeepsTheTimeOfTheLastOne) {
  const ServerView a = AddOk("a");
  const HealthReport no_probe = {.state = ServerState::kWarming,
                                 .reason = "name look-up: a test says so",
                                 .last_probe = std::nullopt,
                                 .consecutive_failures = 0};
  registry_.ReportHealth(a.uid, no_probe);
  EXPECT_FALSE(registry_.Get("", "a")->last_probe.has_value());
  EXPECT_EQ(registry_.Get("", "a")->reason, no_probe.reason);
  MakeHealthy(a);
  const auto probed = registry_.Get("", "a")->last_probe;
  ASSERT_TRUE(probed.has_value());
  registry_.ReportHealth(a.uid, no_probe);
  EXPECT_EQ(registry_.Get("", "a")->last_probe, probed);
}

TEST_F(RegistryTest, ASnapshotInHandDoesNotChange) {
  MakeHealthy(AddOk("a"));
  const auto snapshot = registry_.snapshot();
  ASSERT_TRUE(registry_.Remove("", "a", seconds(1)).ok());
  ASSERT_EQ(snapshot->pools.at(0)->eligible.size(), 1u);
  EXPECT_TRUE(snapshot->pools.at(0)->eligible[0].backend->admission().Load().closed())
      << "but what it names can't be admitted any more";
}

TEST_F(RegistryTest, AReportForAServerThatIsGoneOrDrainsIsIgnored) {
  registry_.ReportHealth("no-such-uid", {});
  const ServerView a = AddOk("a");
  MakeHealthy(a);
  ActiveRequest request = StartRequest("a");
  ASSERT_TRUE(registry_.Remove("", "a", seconds(30)).ok());
  const std::uint64_t generation = registry_.generation();
  MakeHealthy(a);
  EXPECT_EQ(registry_.generation(), generation);
  EXPECT_EQ(registry_.Get("", "a")->state, ServerState::kDraining);
}

// ---- remove and drain ---------------------------------------------------------------------------

TEST_F(RegistryTest, AnIdleServerIsGoneAtOnce) {
  MakeHealthy(AddOk("a"));
  const auto removed = registry_.Remove("", "a", seconds(30));
  ASSERT_TRUE(removed.ok());
  EXPECT_EQ(removed->server.state, ServerState::kDraining);
  EXPECT_TRUE(removed->server.drain_deadline.has_value());
  EXPECT_FALSE(removed->was_draining);
  const auto got = registry_.Get("", "a");
  EXPECT_EQ(got.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(got.status()), "SERVER_NOT_FOUND");
  EXPECT_THAT(registry_.DrainingBackends(), IsEmpty());
  EXPECT_EQ(Set().total, 0u);
}

TEST_F(RegistryTest, ABusyServerStaysListedUntilItsLastRequestEnds) {
  const ServerView a = AddOk("a");
  MakeHealthy(a);
  ActiveRequest request = StartRequest("a");
  ASSERT_TRUE(registry_.Remove("", "a", seconds(30)).ok());
  EXPECT_THAT(EligibleIds(), IsEmpty());
  EXPECT_EQ(registry_.Get("", "a")->state, ServerState::kDraining);
  EXPECT_EQ(registry_.Get("", "a")->active, 1u);
  ASSERT_EQ(registry_.DrainingBackends().size(), 1u);
  EXPECT_THAT(events_.drained(), IsEmpty());
  request.Reset();
  EXPECT_THAT(events_.drained(), ElementsAre(a.uid));
  registry_.EraseDrained(a.uid);
  EXPECT_FALSE(registry_.Get("", "a").ok());
  EXPECT_THAT(registry_.DrainingBackends(), IsEmpty());
}

TEST_F(RegistryTest, AnUnknownServerIsNotFound) {
  const auto result = registry_.Remove("", "nobody", seconds(1));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(result.status()), "SERVER_NOT_FOUND");
}

TEST_F(RegistryTest, WhatCanNotBeAnIdIsRefusedBeforeAnythingIsLookedUp) {
  for (const std::string& id : {std::string(), std::string("no\x1bsuch"), std::string("A"),
                                std::string(64, 'a'), std::string(50'000, 'a')}) {
    for (const absl::Status& status : {registry_.Get("nope", id).status(),
                                       registry_.Remove("nope", id, std::nullopt).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      ASSERT_EQ(ViolationsOf(status).size(), 1u);
      EXPECT_EQ(ViolationsOf(status)[0].field, "id");
      EXPECT_LT(status.message().size(), 300u);
    }
  }
}

TEST_F(RegistryTest, ThePoolOfAnErrorIsShownEscapedAndCut) {
  const auto result = registry_.Get("no\x1bsuch" + std::string(50'000, 'x'), "a");
  EXPECT_EQ(ReasonOf(result.status()), "POOL_NOT_FOUND");
  const std::string message(result.status().message());
  EXPECT_THAT(message, HasSubstr("no\\x1bsuchxxx"));
  EXPECT_THAT(message, HasSubstr("default, other"));
  EXPECT_LT(message.size(), 300u);
}

TEST_F(RegistryTest, ADrainTimeoutIsFromZeroToAnHour) {
  AddOk("a");
  for (const milliseconds bad :
       {milliseconds(-1), milliseconds(Registry::kMaxDrain) + milliseconds(1)}) {
    const auto result = registry_.Remove("", "a", bad);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    ASSERT_EQ(ViolationsOf(result.status()).size(), 1u);
    EXPECT_EQ(ViolationsOf(result.status())[0].field, "drain_timeout");
  }
  EXPECT_TRUE(registry_.Get("", "a").ok()) << "a refused removal removes nothing";
  EXPECT_TRUE(registry_.Remove("", "a", Registry::kMaxDrain).ok());
}

TEST_F(RegistryTest, ASecondRemovalCanShortenTheDeadlineAndNeverExtendIt) {
  MakeHealthy(AddOk("a"));
  ActiveRequest request = StartRequest("a");
  ASSERT_TRUE(registry_.Remove("", "a", seconds(30)).ok());
  const TimePoint first = registry_.DrainingBackends().at(0).deadline;
  ASSERT_TRUE(registry_.Remove("", "a", seconds(60)).ok());
  EXPECT_EQ(registry_.DrainingBackends().at(0).deadline, first);
  const auto shortened = registry_.Remove("", "a", seconds(1));
  ASSERT_TRUE(shortened.ok());
  EXPECT_LT(registry_.DrainingBackends().at(0).deadline, first);
  EXPECT_LE(*shortened->server.drain_deadline, WallClock::now() + seconds(1));
  EXPECT_TRUE(shortened->was_draining);
}

TEST_F(RegistryTest, ASecondRemovalActsOnEveryDrainingServerOfTheId) {
  std::vector<ActiveRequest> requests;
  std::string last;
  for (int i = 0; i < 3; ++i) {
    const ServerView one = AddOk("a");
    MakeHealthy(one);
    requests.push_back(StartRequest("a"));
    ASSERT_TRUE(registry_.Remove("", "a", seconds(30)).ok());
    last = one.uid;
  }
  const auto cut = registry_.Remove("", "a", seconds(0));
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ(cut->server.uid, last);
  ASSERT_EQ(registry_.DrainingBackends().size(), 3u);
  for (const Registry::Draining& one : registry_.DrainingBackends()) {
    EXPECT_LE(one.deadline, Clock::now());
  }
}

TEST_F(RegistryTest, GetMeansTheDrainingServerOfTheIdThatWasAddedLast) {
  std::vector<ActiveRequest> requests;
  for (int i = 0; i < 10; ++i) {
    const ServerView one = AddOk("a");
    MakeHealthy(one);
    requests.push_back(StartRequest("a"));
    ASSERT_TRUE(registry_.Remove("", "a", seconds(30)).ok());
    EXPECT_EQ(registry_.Get("", "a")->uid, one.uid);
    EXPECT_EQ(registry_.Remove("", "a", std::nullopt)->server.uid, one.uid);
  }
}

TEST_F(RegistryTest, ASecondRemovalPublishesNothingAndTellsOnlyOfADeadlineThatMoved) {
  MakeHealthy(AddOk("a"));
  ActiveRequest request = StartRequest("a");
  ASSERT_TRUE(registry_.Remove("", "a", seconds(30)).ok());
  const std::uint64_t generation = registry_.generation();
  int told = 0;
  const std::uint64_t subscription = registry_.Subscribe([&told] { ++told; });
  ASSERT_TRUE(registry_.Remove("", "a", std::nullopt).ok());
  ASSERT_TRUE(registry_.Remove("", "a", seconds(60)).ok());
  EXPECT_EQ(told, 0);
  ASSERT_TRUE(registry_.Remove("", "a", seconds(1)).ok());
  EXPECT_EQ(told, 1);
  EXPECT_EQ(registry_.generation(), generation);
  registry_.Unsubscribe(subscription);
}

TEST_F(RegistryTest, AnUnsetDrainTimeoutIsTheDefaultAtFirstAndNoChangeAfterwards) {
  MakeHealthy(AddOk("a"));
  ActiveRequest request = StartRequest("a");
  const auto removed = registry_.Remove("", "a", std::chrono::minutes(10));
  ASSERT_TRUE(removed.ok());
  const auto again = registry_.Remove("", "a", std::nullopt);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->server.drain_deadline, removed->server.drain_deadline);
  EXPECT_EQ(again->server.revision, removed->server.revision);
  AddOk("b");
  const auto by_default = registry_.Remove("", "b", std::nullopt);
  ASSERT_TRUE(by_default.ok());
  EXPECT_GT(*by_default->server.drain_deadline, WallClock::now() + seconds(20));
  EXPECT_LE(*by_default->server.drain_deadline, WallClock::now() + Registry::kDefaultDrain);
}

TEST_F(RegistryTest, AnIdMayBeAddedAgainWhileItsPredecessorDrains) {
  const ServerView old = AddOk("a", "127.0.0.1:1");
  MakeHealthy(old);
  ActiveRequest request = StartRequest("a");
  ASSERT_TRUE(registry_.Remove("", "a", seconds(30)).ok());
  const ServerView fresh = AddOk("a", "127.0.0.1:2");
  EXPECT_NE(fresh.uid, old.uid);
  EXPECT_EQ(registry_.Get("", "a")->uid, fresh.uid) << "the one that takes traffic";
  EXPECT_EQ(registry_.List("", std::nullopt, 10)->servers.size(), 2u);
  MakeHealthy(fresh);
  EXPECT_EQ(Set().eligible.at(0).backend->uid(), fresh.uid);
  request.Reset();
  registry_.EraseDrained(old.uid);
  EXPECT_EQ(registry_.List("", std::nullopt, 10)->servers.size(), 1u);
  EXPECT_EQ(registry_.Get("", "a")->uid, fresh.uid);
}

TEST_F(RegistryTest, ErasingWhatIsNotDrainingChangesNothing) {
  const ServerView a = AddOk("a");
  const std::uint64_t generation = registry_.generation();
  registry_.EraseDrained("no-such-uid");
  registry_.EraseDrained(a.uid);
  EXPECT_TRUE(registry_.Get("", "a").ok());
  EXPECT_EQ(registry_.generation(), generation);
}

// ---- totals -------------------------------------------------------------------------------------

TEST_F(RegistryTest, TotalsCountEachStateAndAllRunningRequests) {
  AddOk("warming");
  MakeHealthy(AddOk("healthy"));
  Report(AddOk("sick"), ServerState::kUnhealthy);
  MakeHealthy(AddOk("leaving"));
  ActiveRequest one = StartRequest("healthy");
  ActiveRequest two = StartRequest("leaving");
  ActiveRequest three = StartRequest("leaving");
  ASSERT_TRUE(registry_.Remove("", "leaving", seconds(30)).ok());
  const std::vector<PoolTotals> totals = registry_.Totals();
  ASSERT_EQ(totals.size(), 2u);
  EXPECT_EQ(totals[0].pool, "default");
  EXPECT_EQ(totals[0].warming, 1u);
  EXPECT_EQ(totals[0].active, 1u);
  EXPECT_EQ(totals[0].unhealthy, 1u);
  EXPECT_EQ(totals[0].draining, 1u);
  EXPECT_EQ(totals[0].active_requests, 3u);
  EXPECT_EQ(totals[1].pool, "other");
  EXPECT_EQ(totals[1].warming + totals[1].active + totals[1].unhealthy + totals[1].draining, 0u);
}

TEST_F(RegistryTest, EachStateHasAName) {
  EXPECT_EQ(StateName(ServerState::kWarming), "WARMING");
  EXPECT_EQ(StateName(ServerState::kActive), "ACTIVE");
  EXPECT_EQ(StateName(ServerState::kUnhealthy), "UNHEALTHY");
  EXPECT_EQ(StateName(ServerState::kDraining), "DRAINING");
}

}  // namespace
}  // namespace remora::proxy
