// Every answer of the table, whole, byte by byte and cut at random places.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "tests/http1/case_table.h"
#include "tests/http1/player.h"
#include "tests/http1/player_fixture.h"

namespace remora::http1 {
namespace {

class ResponseCasesTest : public PlayerFixture,
                          public ::testing::WithParamInterface<std::tuple<ResponseCase, Way>> {};

TEST_P(ResponseCasesTest, IsHandledAsTheTableSays) {
  const auto& [response_case, way] = GetParam();
  const std::string report = player().Play(response_case, way);
  if (report.empty()) return;
  ADD_FAILURE() << "RFC " << response_case.rfc << " (" << response_case.level << ") "
                << response_case.why << '\n'
                << report;
}

INSTANTIATE_TEST_SUITE_P(Table, ResponseCasesTest,
                         ::testing::Combine(::testing::ValuesIn(ReadResponseCases().cases),
                                            AllWays()),
                         NameOfPlay<ResponseCase>);

TEST(ResponseTableTest, IsReadableAndLargeEnough) {
  const CaseTable<ResponseCase> table = ReadResponseCases();
  EXPECT_THAT(table.problems, ::testing::IsEmpty());
  EXPECT_GE(table.cases.size(), 80u);
}

}  // namespace
}  // namespace remora::http1
