#include "proxy/base/utc_time.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>
#include <string>

namespace remora::proxy {
namespace {

std::string Written(std::time_t time) {
  std::string text;
  AppendUtcSeconds(time, text);
  return text;
}

TEST(UtcTimeTest, SaysWhatTheCLibrarySays) {
  constexpr std::time_t kYear0 = -62'167'219'200;
  constexpr std::time_t kYear10000 = 253'402'300'800;
  for (std::time_t time = kYear0; time < kYear10000; time += 86'400 * 5 + 4'999) {
    std::tm utc{};
    gmtime_r(&time, &utc);
    char text[64];
    std::snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d", utc.tm_year + 1900,
                  utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
    ASSERT_EQ(Written(time), text);
  }
}

TEST(UtcTimeTest, KnowsTheEdgesOfDaysAndYears) {
  EXPECT_EQ(Written(0), "1970-01-01T00:00:00");
  EXPECT_EQ(Written(-1), "1969-12-31T23:59:59");
  EXPECT_EQ(Written(951'782'399), "2000-02-28T23:59:59");
  EXPECT_EQ(Written(951'782'400), "2000-02-29T00:00:00");
  EXPECT_EQ(Written(253'402'300'799), "9999-12-31T23:59:59");
}

}  // namespace
}  // namespace remora::proxy
