// Between the API's messages and the registry's types, both ways, and from a Status to what goes
// over the wire. Pure: no registry, no clock, no logging.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proxy/base/drain_scope.h"
#include "proxy/base/listener_view.h"
#include "proxy/registry/registry.h"
#include "remora/v1/control.pb.h"
#include "server/control/server_counters.h"

namespace remora::server {

// ---- from the wire ----
// A weight of 0 becomes 1; everything else is the registry's to check.
proxy::ServerSpec FromProto(const v1::ServerSpec& spec);

// How long a removed or drained server may finish: nullopt where it is unset, INVALID_ARGUMENT
// outside of 0 to Registry::kMaxDrain. Rounded up to milliseconds, as 0 has a meaning of its own.
absl::StatusOr<std::optional<std::chrono::milliseconds>> DrainTimeout(
    const v1::RemoveServerRequest& request);
absl::StatusOr<std::optional<std::chrono::milliseconds>> DrainTimeout(
    const v1::DrainServerRequest& request);

absl::StatusOr<std::optional<std::chrono::milliseconds>> DrainTimeout(
    const v1::ReplaceServersRequest& request);

// `api` or `discovery:<name>`; INVALID_ARGUMENT for any other.
absl::StatusOr<std::string> OwnerOf(const v1::ReplaceServersRequest& request);
std::vector<proxy::DesiredServer> DesiredOf(const v1::ReplaceServersRequest& request);

// What the mask names, all where it is empty. INVALID_ARGUMENT for a path that is none of ours.
absl::StatusOr<proxy::SpecChange> FromProto(const v1::UpdateServerRequest& request);

// 0 stands for 100; more than 1000 is 1000; negative is INVALID_ARGUMENT.
absl::StatusOr<std::size_t> PageSize(const v1::ListServersRequest& request);

// INVALID_ARGUMENT for a scope that this release does not know.
absl::StatusOr<proxy::DrainScope> ScopeOf(const v1::ShutdownRequest& request);

// ---- page tokens ----
// Opaque to callers: base64url of the filter and of the cursor behind the page.
std::string PageToken(std::string_view pool_filter, const proxy::ListCursor& cursor);
// nullopt for the empty token (first page). INVALID_ARGUMENT with reason PAGE_TOKEN_INVALID unless
// `token` is, byte for byte, one that PageToken makes for the same filter.
absl::StatusOr<std::optional<proxy::ListCursor>> ParsePageToken(std::string_view token,
                                                                std::string_view pool_filter);

// ---- to the wire ----
v1::Server ToProto(const proxy::ServerView& view);
void FillCounters(const ServerCounters& counters, v1::ServerStatus& status);
v1::ServerChange ToProto(const proxy::ServerChange& change);
v1::PoolHealth ToProto(const proxy::PoolTotals& totals);
v1::ListenerHealth ToProto(const proxy::ListenerView& listener);
google::protobuf::Timestamp ToProto(proxy::WallTime time);
google::protobuf::Duration ToProto(proxy::Duration duration);

// The code and message of `status`, with ErrorInfo (its reason, our domain, `metadata`) and, where
// it names fields, BadRequest in a google.rpc.Status as error details. All together stay below the
// 8 KiB of trailers that clients take: the message is cut, and `metadata` should be short.
grpc::Status ToGrpcStatus(const absl::Status& status,
                          const std::map<std::string, std::string>& metadata = {});

}  // namespace remora::server
