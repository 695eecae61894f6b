// Between the wire and the registry.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proxy/base/status.h"
#include "server/control/conversions.h"

namespace remora::server {
namespace {

using std::chrono::milliseconds;

constexpr char kUid[] = "0123456789abcdef0123456789abcdef";

TEST(ConversionsTest, AWeightOfZeroStandsForOne) {
  v1::ServerSpec spec;
  spec.set_url("http://a:1");
  EXPECT_EQ(FromProto(spec).weight, 1U);
  spec.set_weight(7);
  EXPECT_EQ(FromProto(spec).weight, 7U);
}

v1::RemoveServerRequest WithDrain(std::int64_t seconds, std::int32_t nanos) {
  v1::RemoveServerRequest request;
  request.mutable_drain_timeout()->set_seconds(seconds);
  request.mutable_drain_timeout()->set_nanos(nanos);
  return request;
}

TEST(ConversionsTest, ADrainTimeoutThatIsNotSetStaysSo) {
  EXPECT_EQ(*DrainTimeout(v1::RemoveServerRequest()), std::nullopt);
  EXPECT_EQ(*DrainTimeout(v1::DrainServerRequest()), std::nullopt);
  EXPECT_EQ(*DrainTimeout(WithDrain(0, 0)), milliseconds(0));
  EXPECT_EQ(*DrainTimeout(WithDrain(1, 500'000'000)), milliseconds(1'500));
  EXPECT_EQ(*DrainTimeout(WithDrain(3600, 0)), milliseconds(3'600'000));
}

TEST(ConversionsTest, ADrainTimeoutAboveZeroNeverBecomesZero) {
  EXPECT_EQ(*DrainTimeout(WithDrain(0, 1)), milliseconds(1));
}

TEST(ConversionsTest, ADrainTimeoutOutOfRangeNamesItsField) {
  for (const auto& request :
       {WithDrain(3600, 1), WithDrain(-1, 0), WithDrain(0, -1), WithDrain(0, 1'000'000'000),
        WithDrain(INT64_MAX, 0), WithDrain(INT64_MIN, 0)}) {
    const auto timeout = DrainTimeout(request);
    ASSERT_FALSE(timeout.ok()) << request.ShortDebugString();
    ASSERT_EQ(ViolationsOf(timeout.status()).size(), 1U);
    EXPECT_EQ(ViolationsOf(timeout.status())[0].field, "drain_timeout");
  }
}

TEST(ConversionsTest, AnUpdateWithoutAMaskIsTheWholeSpec) {
  v1::UpdateServerRequest request;
  request.mutable_spec()->set_max_active(5);
  const auto change = FromProto(request);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->url, std::nullopt) << "an empty url asks for no change";
  EXPECT_EQ(change->weight, 1U);
  EXPECT_EQ(change->max_active, 5U);
  EXPECT_TRUE(change->labels && change->labels->empty());
}

TEST(ConversionsTest, AMaskTakesOnlyWhatItNames) {
  v1::UpdateServerRequest request;
  request.mutable_spec()->set_url("a:1");
  request.mutable_spec()->set_weight(9);
  request.mutable_spec()->set_max_active(5);
  request.mutable_update_mask()->add_paths("max_active");
  auto change = FromProto(request);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_FALSE(change->url || change->weight || change->labels);
  EXPECT_EQ(change->max_active, 5U);
  request.mutable_update_mask()->add_paths("labels");
  request.mutable_update_mask()->add_paths("url");
  change = FromProto(request);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->url, "a:1");
  EXPECT_TRUE(change->labels);
}

TEST(ConversionsTest, AMaskWithAnythingElseNamesItsField) {
  for (const char* path : {"owner", "", "spec.weight", "*"}) {
    v1::UpdateServerRequest request;
    request.mutable_update_mask()->add_paths(path);
    const auto change = FromProto(request);
    ASSERT_FALSE(change.ok()) << path;
    ASSERT_EQ(ViolationsOf(change.status()).size(), 1U);
    EXPECT_EQ(ViolationsOf(change.status())[0].field, "update_mask");
  }
}

TEST(ConversionsTest, ThePageSizeHasADefaultAndACeiling) {
  v1::ListServersRequest request;
  EXPECT_EQ(*PageSize(request), 100U);
  request.set_page_size(1);
  EXPECT_EQ(*PageSize(request), 1U);
  request.set_page_size(5000);
  EXPECT_EQ(*PageSize(request), 1000U);
  request.set_page_size(-1);
  EXPECT_EQ(ReasonOf(PageSize(request).status()), "INVALID_FIELD");
}

TEST(ConversionsTest, WhatWasNotMeasuredStaysUnset) {
  v1::ServerStatus status;
  FillCounters(
      {.requests = 7, .failures = 2, .p50 = std::chrono::microseconds(1'500), .p99 = std::nullopt},
      status);
  EXPECT_EQ(status.requests_total(), 7U);
  EXPECT_EQ(status.failures_total(), 2U);
  EXPECT_EQ(status.latency_p50().seconds(), 0);
  EXPECT_EQ(status.latency_p50().nanos(), 1'500'000);
  EXPECT_FALSE(status.has_latency_p99());
}

TEST(PageTokenTest, ATokenBringsTheCursorBack) {
  const std::string token = PageToken("api", {.pool = "api", .id = "a-1", .uid = kUid});
  const auto cursor = ParsePageToken(token, "api");
  ASSERT_TRUE(cursor.ok()) << cursor.status();
  ASSERT_TRUE(cursor->has_value());
  EXPECT_EQ((*cursor)->pool, "api");
  EXPECT_EQ((*cursor)->id, "a-1");
  EXPECT_EQ((*cursor)->uid, kUid);
}

TEST(PageTokenTest, NoTokenIsTheFirstPage) {
  const auto cursor = ParsePageToken("", "");
  ASSERT_TRUE(cursor.ok());
  EXPECT_FALSE(cursor->has_value());
}

TEST(PageTokenTest, ATokenOfAnotherPoolIsRefused) {
  const std::string token = PageToken("api", {.pool = "api", .id = "a-1", .uid = kUid});
  EXPECT_EQ(ReasonOf(ParsePageToken(token, "").status()), "PAGE_TOKEN_INVALID");
  EXPECT_EQ(ReasonOf(ParsePageToken(token, "web").status()), "PAGE_TOKEN_INVALID");
}

TEST(PageTokenTest, WhatIsNotATokenIsRefusedWithTheField) {
  const std::string good = PageToken("", {.pool = "default", .id = "a", .uid = kUid});
  const auto escape = [](const char* text) { return std::string(absl::WebSafeBase64Escape(text)); };
  for (const std::string& bad :
       {std::string("x"), std::string("!!!"), good + "=", good + "A", good.substr(1), " " + good,
        escape("1\n\ndefault\na"), escape("2\n\ndefault\na\n0"),
        escape("1\n\nDEFAULT\na\n0123456789abcdef0123456789abcdef"),
        escape("1\n\ndefault\na\n0123456789ABCDEF0123456789abcdef"), std::string(100'000, 'A')}) {
    const auto cursor = ParsePageToken(bad, "");
    ASSERT_FALSE(cursor.ok()) << bad.substr(0, 100);
    EXPECT_EQ(cursor.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(cursor.status()), "PAGE_TOKEN_INVALID");
    ASSERT_EQ(ViolationsOf(cursor.status()).size(), 1U);
    EXPECT_EQ(ViolationsOf(cursor.status())[0].field, "page_token");
  }
}

TEST(ConversionsTest, AServerIsShownWhole) {
  proxy::ServerView view;
  view.pool = "default";
  view.id = "a-1";
  view.uid = kUid;
  view.owner = "config";
  view.spec = {.url = "http://a:1", .weight = 3, .max_active = 9, .labels = {{"zone", "a"}}};
  view.state = proxy::ServerState::kDraining;
  view.reason = "removed";
  view.revision = 12;
  view.active = 4;
  view.created = proxy::WallTime(milliseconds(1'500));
  view.consecutive_failures = 2;
  view.drain_deadline = proxy::WallTime(milliseconds(2'000));
  const v1::Server server = ToProto(view);
  EXPECT_EQ(server.pool(), "default");
  EXPECT_EQ(server.id(), "a-1");
  EXPECT_EQ(server.uid(), kUid);
  EXPECT_EQ(server.owner(), "config");
  EXPECT_EQ(server.spec().url(), "http://a:1");
  EXPECT_EQ(server.spec().weight(), 3U);
  EXPECT_EQ(server.spec().max_active(), 9U);
  EXPECT_EQ(server.spec().labels().at("zone"), "a");
  EXPECT_EQ(server.status().state(), v1::ServerStatus::DRAINING);
  EXPECT_EQ(server.status().reason(), "removed");
  EXPECT_EQ(server.revision(), 12U);
  EXPECT_EQ(server.status().active_requests(), 4U);
  EXPECT_EQ(server.create_time().seconds(), 1);
  EXPECT_EQ(server.create_time().nanos(), 500'000'000);
  EXPECT_FALSE(server.status().has_last_probe_time());
  EXPECT_EQ(server.status().consecutive_probe_failures(), 2U);
  EXPECT_EQ(server.status().drain_deadline().seconds(), 2);
}

TEST(ConversionsTest, ATimeBeforeTheEpochHasPositiveNanos) {
  const auto timestamp = ToProto(proxy::WallTime(milliseconds(-500)));
  EXPECT_EQ(timestamp.seconds(), -1);
  EXPECT_EQ(timestamp.nanos(), 500'000'000);
}

TEST(ConversionsTest, AnErrorCarriesReasonDomainMetadataAndFields) {
  const grpc::Status status =
      ToGrpcStatus(InvalidFields({{"spec.url", "is empty"}, {"id", "is odd"}}), {{"id", "x"}});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "spec.url: is empty; id: is odd");
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), 3);
  ASSERT_EQ(details.details_size(), 2);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "INVALID_FIELD");
  EXPECT_EQ(info.domain(), "remora.dev");
  EXPECT_EQ(info.metadata().at("id"), "x");
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  ASSERT_EQ(bad_request.field_violations_size(), 2);
  EXPECT_EQ(bad_request.field_violations(0).field(), "spec.url");
  EXPECT_EQ(bad_request.field_violations(1).description(), "is odd");
}

TEST(ConversionsTest, AnErrorOfAnyOriginFitsIntoTheTrailersOfACall) {
  const std::string worst(100'000, '%');  // percent-encoding makes three bytes of each
  std::vector<FieldViolation> violations(500, {worst, worst});
  for (const absl::Status& error :
       {absl::InternalError(worst), InvalidFields(violations),
        MakeStatus(absl::StatusCode::kNotFound, "POOL_NOT_FOUND", worst)}) {
    const grpc::Status status = ToGrpcStatus(error, {{"pool", std::string(200, 'x')}});
    EXPECT_LE(status.error_message().size(), kMaxStatusMessage);
    EXPECT_LT(3 * status.error_message().size() + status.error_details().size() * 4 / 3, 7'500U);
    google::rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(status.error_details()));
    EXPECT_EQ(details.message(), status.error_message());
  }
}

TEST(ConversionsTest, AnErrorWithoutFieldsHasNoBadRequest) {
  const grpc::Status status =
      ToGrpcStatus(MakeStatus(absl::StatusCode::kNotFound, "SERVER_NOT_FOUND", "no server 'x'"));
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.details_size(), 1);
}

TEST(ConversionsTest, SuccessIsSuccess) { EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok()); }

}  // namespace
}  // namespace remora::server
