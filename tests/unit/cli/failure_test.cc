#include "cli/failure.h"

#include <gtest/gtest.h>

#include <string>

#include "cli/output/views.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace remora::cli {
namespace {

using grpc::StatusCode;

TEST(ExitCodeTest, EveryCodeOfGrpcHasTheDocumentedExitCode) {
  const std::pair<StatusCode, int> table[] = {
      {StatusCode::OK, 0},
      {StatusCode::CANCELLED, 1},
      {StatusCode::UNKNOWN, 1},
      {StatusCode::INVALID_ARGUMENT, 2},
      {StatusCode::DEADLINE_EXCEEDED, 124},
      {StatusCode::NOT_FOUND, 3},
      {StatusCode::ALREADY_EXISTS, 4},
      {StatusCode::PERMISSION_DENIED, 5},
      {StatusCode::RESOURCE_EXHAUSTED, 1},
      {StatusCode::FAILED_PRECONDITION, 4},
      {StatusCode::ABORTED, 4},
      {StatusCode::OUT_OF_RANGE, 2},
      {StatusCode::UNIMPLEMENTED, 1},
      {StatusCode::INTERNAL, 1},
      {StatusCode::UNAVAILABLE, 69},
      {StatusCode::DATA_LOSS, 1},
      {StatusCode::UNAUTHENTICATED, 5},
  };
  for (const auto& [code, exit] : table) {
    EXPECT_EQ(static_cast<int>(ExitCodeFor(code)), exit) << code;
  }
}

grpc::Status StatusWith(StatusCode code, const std::string& message, const std::string& reason,
                        const google::rpc::BadRequest* bad_request = nullptr) {
  google::rpc::Status status;
  status.set_code(code);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("remora.dev");
  status.add_details()->PackFrom(info);
  if (bad_request != nullptr) status.add_details()->PackFrom(*bad_request);
  return {code, message, status.SerializeAsString()};
}

TEST(FailureFromTest, ReasonAndFieldsAreReadFromTheDetails) {
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field("spec.weight");
  violation->set_description("must be 1 to 1000");
  const Failure failure = FailureFrom(
      StatusWith(StatusCode::INVALID_ARGUMENT, "invalid", "INVALID_FIELD", &bad_request), "x:1");
  EXPECT_EQ(failure.exit, ExitCode::kUsage);
  EXPECT_EQ(failure.reason, "INVALID_FIELD");
  EXPECT_EQ(failure.violations,
            (std::vector<FieldViolation>{{"spec.weight", "must be 1 to 1000"}}));
}

TEST(FailureFromTest, AMessageThatRepeatsTheFieldsIsNotShownTwice) {
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field("spec.url");
  violation->set_description("no port");
  EXPECT_EQ(FailureFrom(StatusWith(StatusCode::INVALID_ARGUMENT, "spec.url: no port",
                                   "INVALID_FIELD", &bad_request),
                        "x:1")
                .message,
            "the server refused what was given:");
}

TEST(FailureFromTest, EveryReasonOfTheApiHasANextStep) {
  for (const char* reason : {"POOL_NOT_FOUND", "SERVER_NOT_FOUND", "SERVER_ALREADY_EXISTS",
                             "REGISTRY_FULL", "INVALID_FIELD"}) {
    const Failure failure = FailureFrom(StatusWith(StatusCode::UNKNOWN, "m", reason), "x:1");
    EXPECT_NE(failure.hint, "the log of remorad may say more") << reason;
  }
}

TEST(FailureFromTest, WithoutDetailsTheCodeGivesTheNextStep) {
  const Failure failure = FailureFrom({StatusCode::UNAVAILABLE, "refused"}, "127.0.0.1:3001");
  EXPECT_EQ(failure.exit, ExitCode::kUnavailable);
  EXPECT_EQ(failure.reason, "");
  EXPECT_NE(failure.hint.find("127.0.0.1:3001"), std::string::npos);
  EXPECT_NE(failure.hint.find("--server"), std::string::npos);
}

TEST(FailureFromTest, DetailsThatAreNotAStatusAreIgnored) {
  const Failure failure = FailureFrom({StatusCode::INTERNAL, "", "\xff\xff garbage"}, "x:1");
  EXPECT_EQ(failure.message, "the server gave no reason");
  EXPECT_EQ(failure.exit, ExitCode::kFailure);
}

TEST(FailureTextTest, MessageFieldsReasonAndHintStandOnLinesOfTheirOwn) {
  EXPECT_EQ(FailureText({.message = "invalid",
                         .reason = "INVALID_FIELD",
                         .violations = {{"spec.url", "no port"}, {"spec.weight", "too large"}},
                         .hint = "correct it"}),
            "error: invalid\n"
            "  spec.url: no port\n"
            "  spec.weight: too large\n"
            "reason: INVALID_FIELD\n"
            "hint: correct it\n");
}

TEST(FailureTextTest, WhatAPeerSentCanNotSteerTheTerminal) {
  EXPECT_EQ(FailureText({.message = "a\x1b[31m\nb"}), "error: a\\x1b[31m\\x0ab\n");
}

}  // namespace
}  // namespace remora::cli
