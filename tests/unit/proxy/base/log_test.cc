#include "proxy/base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace remora::log {
namespace {

struct EscapeCase {
  std::string raw;
  std::string escaped;
};

TEST(JsonEscapeTest, EveryByteThatCouldEndAStringOrALineIsEscaped) {
  const EscapeCase cases[] = {
      {"", ""},
      {"plain text", "plain text"},
      {"say \"hi\"", "say \\\"hi\\\""},
      {"C:\\x", "C:\\\\x"},
      {"two\nlines", "two\\u000alines"},
      {"\r\t", "\\u000d\\u0009"},
      {"\x1b[31mred", "\\u001b[31mred"},
      {"\x7f", "\\u007f"},
      {std::string("a\0b", 3), "a\\u0000b"},
      {"caf\xc3\xa9", "caf\xc3\xa9"},
      {"/slash", "/slash"},
  };
  for (const EscapeCase& test : cases) EXPECT_EQ(JsonEscape(test.raw), test.escaped);
}

TEST(JsonEscapeTest, NoControlByteSurvives) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const char c : JsonEscape(all)) {
    const auto byte = static_cast<unsigned char>(c);
    EXPECT_TRUE(byte >= 0x20 && byte != 0x7f) << int{byte};
  }
}

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { Init(Level::kInfo, Format::kAuto); }

  // What `write` puts out on stderr.
  template <class Function>
  static std::string Captured(Function write) {
    ::testing::internal::CaptureStderr();
    write();
    std::fflush(stderr);
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, AnEventIsOneJsonObjectOnOneLine) {
  Init(Level::kInfo, Format::kJson);
  const std::string line =
      Captured([] { Info("listening", {{"socket", "data"}, {"port", 3000}}); });
  EXPECT_TRUE(line.starts_with("{\"ts\":\"")) << line;
  EXPECT_TRUE(
      line.ends_with("\"level\":\"info\",\"msg\":\"listening\",\"socket\":\"data\","
                     "\"port\":\"3000\"}\n"))
      << line;
}

TEST_F(LogTest, APeerCantForgeALineOfJson) {
  Init(Level::kInfo, Format::kJson);
  const std::string line =
      Captured([] { Warn("bad", {{"target", "/\"}\n{\"level\":\"error\",\"msg\":\"forged\"}"}}); });
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  EXPECT_EQ(line.find("\"level\":\"error\""), std::string::npos) << line;
}

TEST_F(LogTest, APeerCantForgeALineOfTextOrColourATerminal) {
  Init(Level::kInfo, Format::kText);
  const std::string line = Captured([] { Warn("bad\n", {{"target", "/a\nb\x1b[31m"}}); });
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
}

TEST_F(LogTest, AValueWithABlankIsQuotedInText) {
  Init(Level::kInfo, Format::kText);
  const std::string line =
      Captured([] { Info("msg", {{"a", "plain"}, {"b", "two words"}, {"c", ""}}); });
  EXPECT_TRUE(line.ends_with("msg a=plain b=\"two words\" c=\"\"\n")) << line;
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWritten) {
  Init(Level::kWarn, Format::kText);
  const std::string lines = Captured([] {
    Debug("no");
    Info("no");
    Warn("yes");
    Error("yes");
  });
  EXPECT_EQ(lines.find("no"), std::string::npos) << lines;
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2) << lines;
}

TEST_F(LogTest, DebugIsOffUnlessAskedFor) {
  Init(Level::kInfo, Format::kText);
  EXPECT_FALSE(Enabled(Level::kDebug));
  Init(Level::kDebug, Format::kText);
  EXPECT_TRUE(Enabled(Level::kDebug));
}

TEST_F(LogTest, LinesThatAreWrittenTogetherComeWholeAndInTheirOrder) {
  Init(Level::kInfo, Format::kText);
  const std::string lines = Captured([] {
    const Together outer;
    for (int i = 0; i < 500; ++i) {
      const Together inner;
      Info("number", {{"i", i}});
    }
  });
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 500) << lines;
  std::size_t at = 0;
  for (int i = 0; i < 500; ++i) {
    at = lines.find(" i=" + std::to_string(i) + "\n", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

// Puts a pipe in the place of stderr and takes it back.
class PipeAsStderr {
 public:
  PipeAsStderr() : saved_(dup(STDERR_FILENO)) {
    EXPECT_EQ(pipe2(ends_, O_NONBLOCK), 0);
    EXPECT_EQ(dup2(ends_[1], STDERR_FILENO), STDERR_FILENO);
    // As a process finds its stderr: blocking.
    EXPECT_EQ(fcntl(STDERR_FILENO, F_SETFL, O_WRONLY), 0);
  }
  ~PipeAsStderr() {
    dup2(saved_, STDERR_FILENO);
    for (const int fd : {saved_, ends_[0], ends_[1]}) close(fd);
  }
  std::string ReadAll() {
    std::string all;
    char buffer[4096];
    for (ssize_t bytes = 0; (bytes = read(ends_[0], buffer, sizeof(buffer))) > 0;) {
      all.append(buffer, static_cast<std::size_t>(bytes));
    }
    return all;
  }

 private:
  int saved_;
  int ends_[2] = {-1, -1};
};

// A stalled reader once froze RPCs and made SIGTERM useless.
TEST_F(LogTest, AFullPipeStopsNobodyAndWhatWasLostIsCounted) {
  Init(Level::kInfo, Format::kJson);
  PipeAsStderr pipe;
  constexpr int kLines = 5000;  // far more than a pipe holds
  for (int i = 0; i < kLines; ++i) Info("line", {{"number", i}});
  const std::string before = pipe.ReadAll();
  const auto written = std::count(before.begin(), before.end(), '\n');
  EXPECT_LT(written, kLines);
  EXPECT_TRUE(before.ends_with("}\n")) << "a line was cut";
  Info("after");
  const std::string after = pipe.ReadAll();
  EXPECT_NE(after.find("\"lines\":\"" + std::to_string(kLines - written) + "\""), std::string::npos)
      << after;
  EXPECT_NE(after.find("\"msg\":\"after\""), std::string::npos) << after;
}

TEST_F(LogTest, ALineThatIsTooLongLosesItsFieldsAndStaysALine) {
  Init(Level::kInfo, Format::kJson);
  const std::string line = Captured([] { Info("long", {{"value", std::string(10000, 'x')}}); });
  EXPECT_LE(line.size(), 4096U);
  EXPECT_TRUE(line.ends_with("\"msg\":\"long\"}\n")) << line;
}

}  // namespace
}  // namespace remora::log
