// What a line says, which requests get one, and that nobody waits for its reader.
#include "proxy/observe/access_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_format.h"
#include "proxy/observe/access_line.h"
#include "tests/support/eventually.h"

namespace remora::proxy {
namespace {

using std::chrono::microseconds;
using ::testing::EndsWith;
using testing::Eventually;
using ::testing::HasSubstr;

RequestRecord Good() {
  RequestRecord record;
  record.status = 200;
  record.server = "a";
  record.attempts = 1;
  record.active_at_pick = 3;
  record.answer_complete = true;
  record.bytes_out = 12;
  record.begin = TimePoint(std::chrono::seconds(1));
  record.read = record.begin + microseconds(100);
  record.first_pick = record.read + microseconds(25);
  record.connect = microseconds(500);
  record.first_byte = microseconds(1500);
  record.end = record.begin + microseconds(4250);
  record.client = "192.0.2.1";
  record.method = "GET";
  record.authority = "shop.example";
  record.path = "/cart";
  record.request_id = "id-1";
  return record;
}

RequestRecord Bad() {
  RequestRecord record = Good();
  record.status = 503;
  record.error = ProxyError{.kind = ErrorKind::kNoHealthyServer};
  return record;
}

std::string Line(AccessFormat format, const RequestRecord& record) {
  std::string line;
  AppendAccessLine(format, "default", record, WallTime(std::chrono::nanoseconds(1'000'000'042)),
                   line);
  return line;
}

TEST(AccessLineTest, JsonHasEveryField) {
  EXPECT_EQ(Line(AccessFormat::kJson, Good()),
            R"({"ts":"1970-01-01T00:00:01.000000042Z","level":"info","msg":"request",)"
            R"("request_id":"id-1","trace_id":"","client":"192.0.2.1","method":"GET",)"
            R"("authority":"shop.example","path":"/cart","protocol":"HTTP/1.1","status":200,)"
            R"("reason":"","detail":"","bytes_in":0,"bytes_out":12,"pool":"default","server":"a",)"
            R"("attempts":1,"active_at_pick":3,"t_queue_ms":0.025,"t_connect_ms":0.500,)"
            R"("t_first_byte_ms":1.500,"t_total_ms":4.250})"
            "\n");
}

TEST(AccessLineTest, ARequestThatWasNeverPickedHasNoQueueTime) {
  RequestRecord record = Bad();
  record.first_pick = TimePoint();
  EXPECT_THAT(Line(AccessFormat::kJson, record), HasSubstr(R"("t_queue_ms":0.000)"));
}

TEST(AccessLineTest, DurationsAreRoundedAsPrintfDoes) {
  for (std::int64_t ns = 0; ns < 20'000'000'000'000'000; ns += 1 + ns / 977) {
    for (const std::int64_t exact : {ns, ns / 1000 * 1000 + 500, -ns}) {
      RequestRecord record = Good();
      record.connect = std::chrono::nanoseconds(exact);
      const std::string expected =
          absl::StrFormat(R"("t_connect_ms":%.3f,)", static_cast<double>(exact) / 1e6);
      ASSERT_THAT(Line(AccessFormat::kJson, record), HasSubstr(expected)) << exact;
    }
  }
}

TEST(AccessLineTest, EachByteIsEscapedWhereverItStands) {
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t before = 0; before < 20; ++before) {
      const char c = static_cast<char>(byte);
      RequestRecord record = Good();
      const std::string path = std::string(before, '/') + c + "end";
      record.path = path;
      std::string escaped(1, c);
      if (c == '"' || c == '\\') escaped = std::string("\\") + c;
      if (byte < 0x20 || byte >= 0x7f) escaped = absl::StrFormat("\\u00%02x", byte);
      ASSERT_THAT(Line(AccessFormat::kJson, record),
                  HasSubstr("\"path\":\"" + std::string(before, '/') + escaped + "end\","));
    }
  }
}

TEST(AccessLineTest, LevelsTellWhoseFaultItWas) {
  EXPECT_THAT(Line(AccessFormat::kJson, Bad()), HasSubstr(R"("level":"error")"));
  RequestRecord refused = Bad();
  refused.status = 400;
  EXPECT_THAT(Line(AccessFormat::kJson, refused), HasSubstr(R"("level":"warn")"));
  refused.status = 0;
  EXPECT_THAT(Line(AccessFormat::kJson, refused), HasSubstr(R"("level":"error")"));
}

TEST(AccessLineTest, NothingThatAClientSendsForgesALine) {
  RequestRecord record = Good();
  record.path = "/\"},{\r\n\x1b[31m\\\xff";
  const std::string json = Line(AccessFormat::kJson, record);
  EXPECT_THAT(json, HasSubstr(R"("path":"/\"},{\u000d\u000a\u001b[31m\\\u00ff")"));
  for (const AccessFormat format : {AccessFormat::kText, AccessFormat::kJson}) {
    const std::string line = Line(format, record);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
}

TEST(AccessLineTest, TextIsColouredByStatusOnlyOnATerminal) {
  EXPECT_EQ(Line(AccessFormat::kText, Good()),
            "1970-01-01T00:00:01.000000042Z 200 GET shop.example/cart -> a 4.250 ms 12 B\n");
  EXPECT_THAT(Line(AccessFormat::kColouredText, Bad()), HasSubstr("\x1b[31m503\x1b[0m"));
  EXPECT_THAT(Line(AccessFormat::kColouredText, Bad()), EndsWith(" no_healthy_server\n"));
}

class AccessLogTest : public ::testing::Test {
 protected:
  AccessLogTest() {
    std::string pattern = "/tmp/remora-access-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~AccessLogTest() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/access.log"; }
  static std::string Read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  static std::size_t Lines(const std::string& path) {
    const std::string text = Read(path);
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  std::unique_ptr<AccessLog> Open(double sample = 1) {
    auto log = AccessLog::Open({.sample = sample, .path = path()}, /*colour=*/false);
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }

  std::string directory_;
};

TEST_F(AccessLogTest, WhatIsQueuedIsWrittenAtTheEnd) {
  Open()->Add("default", Good());
  EXPECT_EQ(Lines(path()), 1U);
  struct stat info{};
  ASSERT_EQ(stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0007U, 0U) << "others may not read whom clients talk to";
}

TEST_F(AccessLogTest, SamplesGoodRequestsAndLogsAllOthers) {
  {
    const auto log = Open(0.25);
    for (int i = 0; i < 100; ++i) log->Add("default", Good());
    for (int i = 0; i < 10; ++i) log->Add("default", Bad());
  }
  EXPECT_EQ(Lines(path()), 35U);
}

TEST_F(AccessLogTest, ReopenFollowsTheNameAfterARotation) {
  const auto log = Open();
  log->Add("default", Good());
  ASSERT_TRUE(Eventually([&] { return log->lines() == 1; }));
  std::filesystem::rename(path(), path() + ".1");
  log->Reopen();
  ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(path()); }));
  log->Add("default", Bad());
  ASSERT_TRUE(Eventually([&] { return log->lines() == 2; }));
  EXPECT_EQ(Lines(path() + ".1"), 1U);
  EXPECT_EQ(Lines(path()), 1U);
}

TEST_F(AccessLogTest, AReaderThatStopsCostsLinesAndNoTime) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  const int reader = open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  auto log = Open();
  // More than pipe and queue hold together. Add would hang here if it waited.
  constexpr std::uint64_t kLines = 8000;
  for (std::uint64_t i = 0; i < kLines; ++i) log->Add("default", Good());
  EXPECT_TRUE(Eventually([&] { return log->dropped() > 0; }));
  const TimePoint begin = Clock::now();
  log.reset();
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(5));
  close(reader);
}

TEST_F(AccessLogTest, APipeThatNobodyReadsIsAnErrorAndNotAWait) {
  const std::string pipe = directory_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(AccessLog::Open({.sample = 1, .path = pipe}, false).ok());
}

TEST_F(AccessLogTest, AFileThatCannotBeOpenedIsAnErrorThatSaysWhatToDo) {
  const auto log = AccessLog::Open({.sample = 1, .path = directory_ + "/no/such"}, false);
  ASSERT_FALSE(log.ok());
  EXPECT_THAT(std::string(log.status().message()), HasSubstr("No such file or directory"));
  EXPECT_THAT(std::string(log.status().message()), HasSubstr("leave the key out"));
}

}  // namespace
}  // namespace remora::proxy
