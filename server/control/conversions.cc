#include "server/control/conversions.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proxy/base/abseil.h"
#include "proxy/base/status.h"

namespace remora::server {
namespace {

constexpr char kErrorDomain[] = "remora.dev";
constexpr std::size_t kDefaultPageSize = 100;
constexpr std::size_t kMaxPageSize = 1000;
// Of a caller's text in a message.
constexpr std::size_t kMaxShownPath = 100;
// The version lets a later release change what a token holds.
constexpr char kTokenVersion[] = "1";
constexpr char kTokenSeparator = '\n';
constexpr std::string_view kDiscoveryOwner = "discovery:";

absl::Status BadPageToken(std::string_view why) {
  const std::string text = absl::StrCat(
      ToAbsl(why), "; pass next_page_token of the page before unchanged, or nothing for page one");
  absl::Status status =
      MakeStatus(absl::StatusCode::kInvalidArgument, "PAGE_TOKEN_INVALID", "page_token: " + text);
  // The field travels like every other violation; the reason stays the more exact one.
  InvalidFields({{"page_token", text}})
      .ForEachPayload([&status](absl::string_view url, const absl::Cord& payload) {
        if (!status.GetPayload(url).has_value()) status.SetPayload(url, payload);
      });
  return status;
}

bool ValidUid(std::string_view uid) {
  return uid.size() == 32 && std::ranges::all_of(uid, [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c)) &&
                  !absl::ascii_isupper(static_cast<unsigned char>(c));
         });
}

v1::ServerStatus::State ToProto(proxy::ServerState state) {
  switch (state) {
    case proxy::ServerState::kWarming:
      return v1::ServerStatus::WARMING;
    case proxy::ServerState::kActive:
      return v1::ServerStatus::ACTIVE;
    case proxy::ServerState::kUnhealthy:
      return v1::ServerStatus::UNHEALTHY;
    case proxy::ServerState::kDraining:
      return v1::ServerStatus::DRAINING;
  }
  return v1::ServerStatus::STATE_UNSPECIFIED;
}

v1::ServerSpec ToProto(const proxy::ServerSpec& from) {
  v1::ServerSpec spec;
  spec.set_url(from.url);
  spec.set_weight(from.weight);
  spec.set_max_active(from.max_active);
  spec.mutable_labels()->insert(from.labels.begin(), from.labels.end());
  return spec;
}

v1::ServerChange::Kind ToProto(proxy::ServerChange::Kind kind) {
  switch (kind) {
    case proxy::ServerChange::Kind::kAdd:
      return v1::ServerChange::ADD;
    case proxy::ServerChange::Kind::kUpdate:
      return v1::ServerChange::UPDATE;
    case proxy::ServerChange::Kind::kReplace:
      return v1::ServerChange::REPLACE;
    case proxy::ServerChange::Kind::kRemove:
      return v1::ServerChange::REMOVE;
  }
  return v1::ServerChange::KIND_UNSPECIFIED;
}

v1::ListenerHealth::State ToProto(proxy::ListenerView::State state) {
  switch (state) {
    case proxy::ListenerView::State::kAccepting:
      return v1::ListenerHealth::ACCEPTING;
    case proxy::ListenerView::State::kDraining:
      return v1::ListenerHealth::DRAINING;
    case proxy::ListenerView::State::kClosed:
      return v1::ListenerHealth::CLOSED;
  }
  return v1::ListenerHealth::STATE_UNSPECIFIED;
}

template <class Request>
absl::StatusOr<std::optional<std::chrono::milliseconds>> DrainTimeoutOf(const Request& request) {
  if (!request.has_drain_timeout()) return std::nullopt;
  const google::protobuf::Duration& timeout = request.drain_timeout();
  constexpr std::int64_t kMaxSeconds = std::chrono::seconds(proxy::Registry::kMaxDrain).count();
  const bool in_range = timeout.seconds() >= 0 && timeout.seconds() <= kMaxSeconds &&
                        timeout.nanos() >= 0 && timeout.nanos() < 1'000'000'000 &&
                        (timeout.seconds() < kMaxSeconds || timeout.nanos() == 0);
  if (!in_range) {
    return InvalidFields(
        {{"drain_timeout", "is out of range; allowed are 0s (cut at once) to 1h"}});
  }
  return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::seconds(timeout.seconds()) +
                                                      std::chrono::nanoseconds(timeout.nanos()));
}

}  // namespace

proxy::ServerSpec FromProto(const v1::ServerSpec& spec) {
  return {.url = spec.url(),
          .weight = spec.weight() == 0 ? 1 : spec.weight(),
          .max_active = spec.max_active(),
          .labels = {spec.labels().begin(), spec.labels().end()}};
}

absl::StatusOr<std::optional<std::chrono::milliseconds>> DrainTimeout(
    const v1::RemoveServerRequest& request) {
  return DrainTimeoutOf(request);
}

absl::StatusOr<std::optional<std::chrono::milliseconds>> DrainTimeout(
    const v1::DrainServerRequest& request) {
  return DrainTimeoutOf(request);
}

absl::StatusOr<std::optional<std::chrono::milliseconds>> DrainTimeout(
    const v1::ReplaceServersRequest& request) {
  return DrainTimeoutOf(request);
}

absl::StatusOr<std::string> OwnerOf(const v1::ReplaceServersRequest& request) {
  const std::string_view owner = request.owner();
  if (owner == "api") return request.owner();
  if (owner.starts_with(kDiscoveryOwner) && proxy::ValidId(owner.substr(kDiscoveryOwner.size()))) {
    return request.owner();
  }
  return InvalidFields({{"owner", absl::StrCat("'", Shown(owner, kMaxShownPath),
                                               "' is none; allowed are api and discovery:<name>, "
                                               "the name of a-z, 0-9 and - like an id")}});
}

std::vector<proxy::DesiredServer> DesiredOf(const v1::ReplaceServersRequest& request) {
  std::vector<proxy::DesiredServer> desired;
  desired.reserve(static_cast<std::size_t>(request.servers_size()));
  for (const v1::DesiredServer& server : request.servers()) {
    desired.push_back({.pool = server.pool(), .id = server.id(), .spec = FromProto(server.spec())});
  }
  return desired;
}

absl::StatusOr<proxy::SpecChange> FromProto(const v1::UpdateServerRequest& request) {
  proxy::SpecChange all;
  proxy::ServerSpec spec = FromProto(request.spec());
  if (!spec.url.empty()) all.url = std::move(spec.url);
  all.weight = spec.weight;
  all.max_active = spec.max_active;
  all.labels = std::move(spec.labels);
  if (request.update_mask().paths().empty()) return all;
  proxy::SpecChange masked;
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "url") {
      masked.url = all.url;
    } else if (path == "weight") {
      masked.weight = all.weight;
    } else if (path == "max_active") {
      masked.max_active = all.max_active;
    } else if (path == "labels") {
      masked.labels = all.labels;
    } else {
      return InvalidFields(
          {{"update_mask", absl::StrCat("'", Shown(path, kMaxShownPath),
                                        "' can't be updated; weight, max_active and labels can")}});
    }
  }
  return masked;
}

absl::StatusOr<std::size_t> PageSize(const v1::ListServersRequest& request) {
  if (request.page_size() < 0) {
    return InvalidFields(
        {{"page_size",
          absl::StrCat(request.page_size(), " is negative; allowed are 1 to 1000, or 0 for 100")}});
  }
  if (request.page_size() == 0) return kDefaultPageSize;
  return std::min(static_cast<std::size_t>(request.page_size()), kMaxPageSize);
}

absl::StatusOr<proxy::DrainScope> ScopeOf(const v1::ShutdownRequest& request) {
  switch (request.scope()) {
    case v1::ShutdownRequest::SCOPE_UNSPECIFIED:
    case v1::ShutdownRequest::ALL:
      return proxy::DrainScope::kAll;
    case v1::ShutdownRequest::INBOUND:
      return proxy::DrainScope::kInbound;
    default:
      return InvalidFields({{"scope", absl::StrCat(static_cast<int>(request.scope()),
                                                   " is no scope; ALL (1) and INBOUND (2) are")}});
  }
}

std::string PageToken(std::string_view pool_filter, const proxy::ListCursor& cursor) {
  std::string plain = kTokenVersion;
  for (const std::string_view part :
       std::array<std::string_view, 4>{pool_filter, cursor.pool, cursor.id, cursor.uid}) {
    plain += kTokenSeparator;
    plain += part;
  }
  return absl::WebSafeBase64Escape(plain);
}

absl::StatusOr<std::optional<proxy::ListCursor>> ParsePageToken(std::string_view token,
                                                                std::string_view pool_filter) {
  if (token.empty()) return std::nullopt;
  std::string plain;
  if (!absl::WebSafeBase64Unescape(ToAbsl(token), &plain)) return BadPageToken("is not a token");
  const std::vector<std::string> parts = absl::StrSplit(plain, kTokenSeparator);
  if (parts.size() != 5 || parts[0] != kTokenVersion) return BadPageToken("is not a token");
  proxy::ListCursor cursor{.pool = parts[2], .id = parts[3], .uid = parts[4]};
  if (!proxy::ValidId(cursor.pool) || !proxy::ValidId(cursor.id) || !ValidUid(cursor.uid)) {
    return BadPageToken("is not a token");
  }
  if (parts[1] != pool_filter) return BadPageToken("belongs to a list with another pool");
  // Base64 has several spellings of the same bytes; one token has one.
  if (PageToken(pool_filter, cursor) != token) return BadPageToken("is not a token");
  return cursor;
}

v1::Server ToProto(const proxy::ServerView& view) {
  v1::Server server;
  server.set_pool(view.pool);
  server.set_id(view.id);
  server.set_owner(view.owner);
  server.set_uid(view.uid);
  server.set_revision(view.revision);
  *server.mutable_create_time() = ToProto(view.created);
  *server.mutable_spec() = ToProto(view.spec);
  v1::ServerStatus& status = *server.mutable_status();
  status.set_state(ToProto(view.state));
  status.set_reason(view.reason);
  status.set_active_requests(view.active);
  if (view.last_probe) *status.mutable_last_probe_time() = ToProto(*view.last_probe);
  status.set_consecutive_probe_failures(view.consecutive_failures);
  status.set_drained(view.drained);
  if (view.drain_deadline) *status.mutable_drain_deadline() = ToProto(*view.drain_deadline);
  return server;
}

void FillCounters(const ServerCounters& counters, v1::ServerStatus& status) {
  status.set_requests_total(counters.requests);
  status.set_failures_total(counters.failures);
  if (counters.p50) *status.mutable_latency_p50() = ToProto(*counters.p50);
  if (counters.p99) *status.mutable_latency_p99() = ToProto(*counters.p99);
}

v1::ServerChange ToProto(const proxy::ServerChange& change) {
  using Kind = proxy::ServerChange::Kind;
  v1::ServerChange proto;
  proto.set_kind(ToProto(change.kind));
  proto.set_pool(change.pool);
  proto.set_id(change.id);
  if (change.kind != Kind::kAdd) *proto.mutable_before() = ToProto(change.before);
  if (change.kind != Kind::kRemove) *proto.mutable_after() = ToProto(change.after);
  return proto;
}

v1::PoolHealth ToProto(const proxy::PoolTotals& totals) {
  v1::PoolHealth health;
  health.set_pool(totals.pool);
  health.set_total(totals.warming + totals.active + totals.unhealthy + totals.draining);
  health.set_warming(totals.warming);
  health.set_active(totals.active);
  health.set_unhealthy(totals.unhealthy);
  health.set_draining(totals.draining);
  health.set_active_requests(totals.active_requests);
  return health;
}

v1::ListenerHealth ToProto(const proxy::ListenerView& listener) {
  v1::ListenerHealth health;
  health.set_address(listener.address);
  health.set_pool(listener.pool);
  health.set_direction(listener.direction == proxy::Direction::kInbound
                           ? v1::ListenerHealth::INBOUND
                           : v1::ListenerHealth::OUTBOUND);
  health.set_state(ToProto(listener.state));
  health.set_connections(static_cast<std::uint32_t>(listener.connections));
  return health;
}

google::protobuf::Timestamp ToProto(proxy::WallTime time) {
  const auto since_epoch = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds.count());
  timestamp.set_nanos(static_cast<std::int32_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch - seconds).count()));
  return timestamp;
}

google::protobuf::Duration ToProto(proxy::Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  google::protobuf::Duration proto;
  proto.set_seconds(seconds.count());
  proto.set_nanos(static_cast<std::int32_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(duration - seconds).count()));
  return proto;
}

grpc::Status ToGrpcStatus(const absl::Status& status,
                          const std::map<std::string, std::string>& metadata) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(Shown(ToStd(status.message()), kMaxStatusMessage));
  google::rpc::ErrorInfo info;
  info.set_reason(ReasonOf(status));
  info.set_domain(kErrorDomain);
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  details.add_details()->PackFrom(info);
  google::rpc::BadRequest bad_request;
  for (const FieldViolation& violation : ViolationsOf(status)) {
    auto& entry = *bad_request.add_field_violations();
    entry.set_field(violation.field);
    entry.set_description(violation.description);
  }
  if (bad_request.field_violations_size() > 0) details.add_details()->PackFrom(bad_request);
  return {static_cast<grpc::StatusCode>(status.code()), details.message(),
          details.SerializeAsString()};
}

}  // namespace remora::server
