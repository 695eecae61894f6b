// Every request of the table, whole, byte by byte and cut at random places.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "tests/http1/case_table.h"
#include "tests/http1/player.h"
#include "tests/http1/player_fixture.h"

namespace remora::http1 {
namespace {

class RequestCasesTest : public PlayerFixture,
                         public ::testing::WithParamInterface<std::tuple<RequestCase, Way>> {};

TEST_P(RequestCasesTest, IsHandledAsTheTableSays) {
  const auto& [request_case, way] = GetParam();
  const std::string report = player().Play(request_case, way);
  if (report.empty()) return;
  ADD_FAILURE() << "RFC " << request_case.rfc << " (" << request_case.level << ") "
                << request_case.why << '\n'
                << report;
}

INSTANTIATE_TEST_SUITE_P(Table, RequestCasesTest,
                         ::testing::Combine(::testing::ValuesIn(ReadRequestCases().cases),
                                            AllWays()),
                         NameOfPlay<RequestCase>);

TEST(RequestTableTest, IsReadableAndLargeEnough) {
  const CaseTable<RequestCase> table = ReadRequestCases();
  EXPECT_THAT(table.problems, ::testing::IsEmpty());
  EXPECT_GE(table.cases.size(), 300u);
}

}  // namespace
}  // namespace remora::http1
