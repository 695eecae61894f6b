#include "cli/discovery/srv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "cli/discovery/dns_source.h"

namespace remora::cli::discovery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Bytes = std::vector<unsigned char>;

void Add16(Bytes& to, unsigned value) {
  to.push_back(static_cast<unsigned char>(value >> 8));
  to.push_back(static_cast<unsigned char>(value));
}

void AddName(Bytes& to, const std::vector<std::string>& labels) {
  for (const std::string& label : labels) {
    to.push_back(static_cast<unsigned char>(label.size()));
    to.insert(to.end(), label.begin(), label.end());
  }
  to.push_back(0);
}

// A question for _http._tcp.x at offset 12, which answers point to.
Bytes Message(unsigned answers) {
  Bytes message = {0, 1, 0x81, 0x80};
  for (const unsigned count : {1U, answers, 0U, 0U}) Add16(message, count);
  AddName(message, {"_http", "_tcp", "x"});
  Add16(message, 33);
  Add16(message, 1);
  return message;
}

void AddRecord(Bytes& message, const SrvRecord& record, unsigned ttl,
               const std::vector<std::string>& target) {
  Add16(message, 0xc00c);
  Add16(message, 33);
  Add16(message, 1);
  Add16(message, ttl >> 16);
  Add16(message, ttl & 0xffff);
  Bytes data;
  for (const unsigned value : {record.priority, record.weight, record.port}) Add16(data, value);
  AddName(data, target);
  Add16(message, static_cast<unsigned>(data.size()));
  message.insert(message.end(), data.begin(), data.end());
}

TEST(SrvTest, RecordsAreReadWithTheLeastTtl) {
  Bytes message = Message(2);
  AddRecord(message, {.priority = 1, .weight = 5, .port = 8080}, 60, {"a", "x"});
  AddRecord(message, {.priority = 2, .weight = 6, .port = 8081}, 30, {"b", "x"});
  const auto answer = ParseSrv(message);
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(answer->ttl_s, 30U);
  EXPECT_THAT(answer->records,
              ElementsAre(SrvRecord{1, 5, 8080, "a.x"}, SrvRecord{2, 6, 8081, "b.x"}));
}

TEST(SrvTest, AMessageThatIsCutShortOrChangedIsAnErrorOrAnAnswerButNoCrash) {
  Bytes message = Message(2);
  AddRecord(message, {.priority = 1, .weight = 5, .port = 8080}, 60, {"a", "x"});
  AddRecord(message, {.priority = 1, .weight = 5, .port = 8080}, 60, {"b", "x"});
  for (std::size_t size = 0; size < message.size(); ++size) {
    EXPECT_FALSE(ParseSrv(std::span(message).first(size))) << size;
  }
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    Bytes changed = message;
    for (int n = 0; n < 3; ++n) {
      changed[random() % changed.size()] = static_cast<unsigned char>(random());
    }
    const auto answer = ParseSrv(changed);
    if (answer) EXPECT_LE(answer->records.size(), 2U);
  }
}

TEST(SrvTest, AnAnswerWithoutRecordsIsAnError) { EXPECT_FALSE(ParseSrv(Message(0))); }

std::vector<std::string> Texts(const ServerSet& servers) {
  std::vector<std::string> texts;
  for (const auto& [key, endpoint] : servers) {
    texts.push_back(endpoint.url + " " + std::to_string(endpoint.weight));
  }
  return texts;
}

TEST(SrvTest, OnlyTheBestPriorityIsTaken) {
  EXPECT_THAT(Texts(ServersOf({{2, 1, 80, "a"}, {1, 3, 80, "b"}, {1, 0, 81, "c"}}, {})),
              ElementsAre("http://b:80 3", "http://c:81 1"));
}

TEST(SrvTest, WeightsAreScaledWhereOneIsTooLarge) {
  EXPECT_THAT(Texts(ServersOf({{1, 60000, 80, "a"}, {1, 30000, 80, "b"}, {1, 6, 80, "c"}}, {})),
              ElementsAre("http://a:80 1000", "http://b:80 500", "http://c:80 1"));
}

TEST(SrvTest, TheRootAsTargetMeansThatThereIsNoSuchService) {
  EXPECT_THAT(ServersOf({{0, 0, 0, ""}}, {}), IsEmpty());
  EXPECT_THAT(ServersOf({}, {}), IsEmpty());
}

TEST(DnsTimeTest, ATtlCountsBetweenASecondAndTheResync) {
  using std::chrono::seconds;
  EXPECT_EQ(TimeOf(0, seconds(300)), seconds(1));
  EXPECT_EQ(TimeOf(30, seconds(300)), seconds(30));
  EXPECT_EQ(TimeOf(4'294'967'295U, seconds(300)), seconds(300));
}

}  // namespace
}  // namespace remora::cli::discovery
