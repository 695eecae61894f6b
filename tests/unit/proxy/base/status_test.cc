#include "proxy/base/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace remora {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(StatusTest, AReasonComesBackAsItWasSet) {
  const absl::Status status =
      MakeStatus(absl::StatusCode::kNotFound, "SERVER_NOT_FOUND", "no server 'a'");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "no server 'a'");
  EXPECT_EQ(ReasonOf(status), "SERVER_NOT_FOUND");
  EXPECT_THAT(ViolationsOf(status), IsEmpty());
}

TEST(StatusTest, AStatusFromElsewhereHasNoReason) {
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), "");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_THAT(ViolationsOf(absl::InternalError("x")), IsEmpty());
}

TEST(StatusTest, ViolationsComeBackInOrderAndAreAllInTheMessage) {
  const std::vector<FieldViolation> violations = {
      {"spec.url", "no port in 'a'; write http://host:port"},
      {"spec.weight", "0 is out of range"},
      {"id", ""},
  };
  const absl::Status status = InvalidFields(violations);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELD");
  EXPECT_EQ(ViolationsOf(status), violations);
  EXPECT_THAT(std::string(status.message()), HasSubstr("spec.url: no port in 'a'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("spec.weight: 0 is out of range"));
}

TEST(StatusTest, ACopyKeepsReasonAndViolations) {
  const absl::Status copy = absl::Status(InvalidFields({{"a", "b"}}));
  EXPECT_EQ(ReasonOf(copy), "INVALID_FIELD");
  EXPECT_EQ(ViolationsOf(copy), (std::vector<FieldViolation>{{"a", "b"}}));
}

}  // namespace
}  // namespace remora
