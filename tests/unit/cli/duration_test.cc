#include "cli/duration.h"

#include <gtest/gtest.h>

namespace remora::cli {
namespace {

using std::chrono::milliseconds;

TEST(ParseDurationTest, EveryUnitAndTheirSumsAreRead) {
  EXPECT_EQ(ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(ParseDuration("5s"), milliseconds(5'000));
  EXPECT_EQ(ParseDuration("2m"), milliseconds(120'000));
  EXPECT_EQ(ParseDuration("1h"), milliseconds(3'600'000));
  EXPECT_EQ(ParseDuration("1m30s"), milliseconds(90'000));
  EXPECT_EQ(ParseDuration("1.5s"), milliseconds(1'500));
}

TEST(ParseDurationTest, ZeroNeedsNoUnit) {
  EXPECT_EQ(ParseDuration("0"), milliseconds(0));
  EXPECT_EQ(ParseDuration("0s"), milliseconds(0));
}

TEST(ParseDurationTest, ANumberWithoutUnitIsRefusedWithTheUnitsNamed) {
  const auto result = ParseDuration("5");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), "'5' is not a duration: each number needs a unit: ms, s, m or h");
}

TEST(ParseDurationTest, WhatIsNotADurationIsRefused) {
  for (const char* text : {"", "s", "-5s", "+5s", "5 s", "5x", "1e3s", "inf", "nan", "1..5s", ".s",
                           "5s ", " 5s", "5us", "25h"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(ParseDurationTest, ADayIsTheLongest) {
  EXPECT_EQ(ParseDuration("24h"), milliseconds(86'400'000));
  EXPECT_FALSE(ParseDuration("24h1ms"));
  EXPECT_FALSE(ParseDuration("99999999999999999999999999h"));
}

TEST(FormatDurationTest, ItsTextIsReadBackAsTheSameDuration) {
  for (const char* text : {"0s", "1ms", "250ms", "5s", "1m30s", "1h", "1h1ms", "24h"}) {
    EXPECT_EQ(FormatDuration(*ParseDuration(text)), text);
  }
}

}  // namespace
}  // namespace remora::cli
