#include "cli/discovery/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace remora::cli::discovery {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string SliceText(const std::string& name, const std::string& address,
                      const std::string& version = "1") {
  return R"({"metadata":{"name":")" + name + R"(","resourceVersion":")" + version +
         R"("},"addressType":"IPv4","ports":[{"port":80}],"endpoints":[{"addresses":[")" + address +
         R"("]}]})";
}

std::string ListText(const std::string& version, const std::vector<std::string>& items,
                     const std::string& more = "") {
  std::string text = R"({"metadata":{"resourceVersion":")" + version + R"(","continue":")" + more +
                     R"("},"items":[)";
  for (std::size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "" : ",") + items[i];
  return text + "]}";
}

std::string Event(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

std::string Bookmark(const std::string& version) {
  return Event("BOOKMARK", R"({"metadata":{"resourceVersion":")" + version + "\"}}");
}

class SliceWatchTest : public testing::Test {
 protected:
  // A list with one slice "a" at version 10.
  void List() {
    watch_.Next(now_);
    ASSERT_TRUE(watch_.OnAnswer(200, ListText("10", {SliceText("a", "10.0.0.1")}), now_));
  }
  std::string Target() { return watch_.Next(now_).target; }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& [name, slice] : *watch_.slices()) {
      names.push_back(name + "=" +
                      (slice.endpoints.empty() ? "" : slice.endpoints.front().address));
    }
    return names;
  }

  SliceWatch::Time now_{std::chrono::hours(1)};
  SliceWatch watch_{"/base", "default", "web", seconds(300)};
};

TEST_F(SliceWatchTest, ItListsAndThenWatchesFromTheVersionOfTheList) {
  const auto list = watch_.Next(now_);
  EXPECT_FALSE(list.watch);
  EXPECT_EQ(list.target,
            "/base/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
            "?labelSelector=kubernetes.io%2Fservice-name%3Dweb&limit=100");
  EXPECT_FALSE(watch_.slices()) << "nothing is known yet";
  ASSERT_TRUE(watch_.OnAnswer(200, ListText("10", {SliceText("a", "10.0.0.1")}), now_));
  EXPECT_THAT(Names(), ElementsAre("a=10.0.0.1"));
  const auto watch = watch_.Next(now_);
  EXPECT_TRUE(watch.watch);
  EXPECT_THAT(watch.target, EndsWith("&watch=true&allowWatchBookmarks=true&resourceVersion=10"
                                     "&timeoutSeconds=300"));
}

TEST_F(SliceWatchTest, PagesAreReadToTheEndBeforeTheyCount) {
  watch_.Next(now_);
  ASSERT_TRUE(watch_.OnAnswer(200, ListText("9", {SliceText("a", "10.0.0.1")}, "to/ken"), now_));
  EXPECT_FALSE(watch_.slices());
  EXPECT_THAT(Target(), EndsWith("&limit=100&continue=to%2Fken"));
  ASSERT_TRUE(watch_.OnAnswer(200, ListText("10", {SliceText("b", "10.0.0.2")}), now_));
  EXPECT_THAT(Names(), ElementsAre("a=10.0.0.1", "b=10.0.0.2"));
}

TEST_F(SliceWatchTest, EventsChangeTheSlicesAndMoveTheVersionOn) {
  List();
  Target();
  const auto generation = watch_.generation();
  ASSERT_TRUE(watch_.OnBytes(Event("ADDED", SliceText("b", "10.0.0.2", "11")) +
                             Event("MODIFIED", SliceText("a", "10.0.0.9", "12"))));
  EXPECT_THAT(Names(), ElementsAre("a=10.0.0.9", "b=10.0.0.2"));
  EXPECT_EQ(watch_.generation(), generation + 2);
  ASSERT_TRUE(watch_.OnBytes(Event("DELETED", SliceText("b", "10.0.0.2", "13"))));
  EXPECT_THAT(Names(), ElementsAre("a=10.0.0.9"));
  EXPECT_THAT(Target(), HasSubstr("resourceVersion=13&"));
}

TEST_F(SliceWatchTest, ABookmarkMovesTheVersionAndNothingElse) {
  List();
  Target();
  const auto generation = watch_.generation();
  ASSERT_TRUE(watch_.OnBytes(Bookmark("20")));
  EXPECT_EQ(watch_.generation(), generation);
  EXPECT_THAT(Target(), HasSubstr("resourceVersion=20&"));
}

TEST_F(SliceWatchTest, LinesMayComeInAnyPieces) {
  List();
  const std::string stream = Event("ADDED", SliceText("b", "10.0.0.2", "11")) + "\n" +
                             Event("DELETED", SliceText("a", "10.0.0.1", "12")) + Bookmark("13");
  Target();
  for (const char byte : stream) ASSERT_TRUE(watch_.OnBytes({&byte, 1}));
  EXPECT_THAT(Names(), ElementsAre("b=10.0.0.2"));
  EXPECT_THAT(Target(), HasSubstr("resourceVersion=13&"));
}

TEST_F(SliceWatchTest, HalfALineIsForgottenAndTheWatchGoesOnFromTheLastWholeOne) {
  List();
  Target();
  ASSERT_TRUE(watch_.OnBytes(Bookmark("15") + R"({"type":"ADDED","obj)"));
  watch_.OnEnd();
  EXPECT_THAT(Target(), HasSubstr("resourceVersion=15&"));
  ASSERT_TRUE(watch_.OnBytes(Event("ADDED", SliceText("b", "10.0.0.2", "16"))));
  EXPECT_THAT(Names(), ElementsAre("a=10.0.0.1", "b=10.0.0.2"));
}

TEST_F(SliceWatchTest, GoneAsAnEventListsAnewAndKeepsWhatIsKnownUntilThen) {
  List();
  Target();
  const auto gone = watch_.OnBytes(
      Event("ERROR", R"({"kind":"Status","code":410,"message":"too old resource version"})"));
  ASSERT_FALSE(gone);
  EXPECT_THAT(gone.error(), HasSubstr("too old resource version"));
  EXPECT_TRUE(watch_.gone());
  EXPECT_THAT(Names(), ElementsAre("a=10.0.0.1"));
  EXPECT_THAT(Target(), EndsWith("&limit=100"));
  ASSERT_TRUE(watch_.OnAnswer(200, ListText("30", {SliceText("c", "10.0.0.3")}), now_));
  EXPECT_THAT(Names(), ElementsAre("c=10.0.0.3"));
  EXPECT_EQ(watch_.lists(), 2U);
}

TEST_F(SliceWatchTest, GoneAsAnAnswerListsAnewToo) {
  List();
  Target();
  ASSERT_FALSE(watch_.OnAnswer(410, R"({"message":"expired"})", now_));
  EXPECT_TRUE(watch_.gone());
  EXPECT_THAT(Target(), EndsWith("&limit=100"));
}

TEST_F(SliceWatchTest, OnlyTheAnswerThatSaidSoIsGone) {
  List();
  Target();
  ASSERT_FALSE(watch_.OnAnswer(410, "{}", now_));
  Target();
  EXPECT_FALSE(watch_.gone());
  ASSERT_FALSE(watch_.OnAnswer(403, "{}", now_));
  EXPECT_FALSE(watch_.gone()) << "that the new list fails is to be told";
}

TEST_F(SliceWatchTest, AListThatIsDueMayFailAndIsNotGone) {
  List();
  now_ += std::chrono::hours(24);
  EXPECT_THAT(Target(), EndsWith("&limit=100"));
  ASSERT_FALSE(watch_.OnAnswer(403, "{}", now_));
  EXPECT_FALSE(watch_.gone());
  EXPECT_THAT(Names(), ElementsAre("a=10.0.0.1"));
}

TEST_F(SliceWatchTest, ATokenOfAPageThatExpiredBeginsTheListAgain) {
  watch_.Next(now_);
  ASSERT_TRUE(watch_.OnAnswer(200, ListText("9", {SliceText("a", "10.0.0.1")}, "token"), now_));
  Target();
  ASSERT_FALSE(watch_.OnAnswer(410, "{}", now_));
  EXPECT_THAT(Target(), Not(HasSubstr("continue")));
  ASSERT_TRUE(watch_.OnAnswer(200, ListText("10", {SliceText("b", "10.0.0.2")}), now_));
  EXPECT_THAT(Names(), ElementsAre("b=10.0.0.2")) << "nothing of the list that was given up";
}

TEST_F(SliceWatchTest, AnAnswerThatIsRefusedSaysWhyAndWhatToDo) {
  const std::vector<std::pair<unsigned, std::string>> cases = {
      {401, "token"}, {403, "allow it get, list and watch"}, {404, "1.21"}, {500, "answered 500"}};
  for (const auto& [status, advice] : cases) {
    watch_.Next(now_);
    const auto refused = watch_.OnAnswer(status, R"({"message":"no, \"you\""})", now_);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error(), HasSubstr(advice));
    EXPECT_THAT(refused.error(), HasSubstr("no, \"you\""));
  }
  EXPECT_FALSE(watch_.OnAnswer(503, "<html>", now_));
  EXPECT_FALSE(watch_.slices());
}

TEST_F(SliceWatchTest, AfterTheResyncIntervalItListsAgain) {
  List();
  now_ += seconds(299);
  EXPECT_THAT(Target(), EndsWith("&timeoutSeconds=1"));
  now_ += seconds(1);
  EXPECT_THAT(Target(), EndsWith("&limit=100"));
  EXPECT_THAT(Names(), ElementsAre("a=10.0.0.1"));
}

TEST_F(SliceWatchTest, NonsenseEndsTheStreamAndLosesNothing) {
  for (const std::string& line :
       {std::string("nonsense\n"), std::string("{}\n"), Event("ADDED", "{}"),
        Event("ADDED", R"({"metadata":{"resourceVersion":"9"}})"),
        Event("RENAMED", SliceText("b", "10.0.0.2")), Event("ERROR", "1")}) {
    SliceWatch watch("", "default", "web", seconds(300));
    watch.Next(now_);
    EXPECT_FALSE(watch.OnBytes(line)) << "before a list";
    ASSERT_TRUE(watch.OnAnswer(200, ListText("10", {SliceText("a", "10.0.0.1")}), now_));
    watch.Next(now_);
    EXPECT_FALSE(watch.OnBytes(line)) << line;
    EXPECT_EQ(watch.slices()->size(), 1U);
  }
  for (const char* body : {"", "[]", "{}", R"({"metadata":{"resourceVersion":"1"}})",
                           R"({"metadata":{"resourceVersion":"1"},"items":[1]})"}) {
    watch_.Next(now_);
    EXPECT_FALSE(watch_.OnAnswer(200, body, now_)) << body;
  }
}

TEST_F(SliceWatchTest, ALineWithoutEndIsGivenUp) {
  List();
  Target();
  const std::string piece(1024 * 1024, 'x');
  bool refused = false;
  for (int i = 0; i < 9 && !refused; ++i) refused = !watch_.OnBytes(piece);
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace remora::cli::discovery
