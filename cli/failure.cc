#include "cli/failure.h"

#include <string_view>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace remora::cli {
namespace {

std::string HintForReason(std::string_view reason) {
  if (reason == "SERVER_NOT_FOUND") return "`remoractl servers list` shows the servers there are";
  if (reason == "POOL_NOT_FOUND") {
    return "pools come from the configuration of remorad; `remoractl health` shows them";
  }
  if (reason == "SERVER_ALREADY_EXISTS") {
    return "remove that server first, or add this one under another --id";
  }
  if (reason == "SERVER_REMOVED") {
    return "`remoractl servers list` shows when it is gone; `remoractl servers add` brings it back";
  }
  if (reason == "REGISTRY_FULL") return "remove servers that are not needed any more";
  if (reason == "INVALID_FIELD") return "correct what is named above and run the command again";
  return {};
}

std::string HintForCode(grpc::StatusCode code, const std::string& address) {
  switch (code) {
    case grpc::StatusCode::UNAVAILABLE:
      return "is remorad running? " + address +
             " was called; name another address with --server or REMORA_SERVER";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "give it longer with --timeout, or see whether " + address + " is the right address";
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return "run it as the user that remorad runs as, or with sudo";
    case grpc::StatusCode::UNIMPLEMENTED:
      return "the server may be older than this client: compare them with `remoractl version`";
    case grpc::StatusCode::INVALID_ARGUMENT:
      return "see `remoractl servers add --help` for what each argument means";
    case grpc::StatusCode::NOT_FOUND:
      return HintForReason("SERVER_NOT_FOUND");
    case grpc::StatusCode::ALREADY_EXISTS:
      return HintForReason("SERVER_ALREADY_EXISTS");
    default:
      return "the log of remorad may say more";
  }
}

}  // namespace

ExitCode ExitCodeFor(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return ExitCode::kOk;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE:
      return ExitCode::kUsage;
    case grpc::StatusCode::NOT_FOUND:
      return ExitCode::kNotFound;
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::ABORTED:
      return ExitCode::kPrecondition;
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return ExitCode::kAuth;
    case grpc::StatusCode::UNAVAILABLE:
      return ExitCode::kUnavailable;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return ExitCode::kTimeout;
    default:
      return ExitCode::kFailure;
  }
}

Failure FailureFrom(const grpc::Status& status, const std::string& address) {
  Failure failure{.exit = ExitCodeFor(status.error_code()), .message = status.error_message()};
  google::rpc::Status details;
  if (details.ParseFromString(status.error_details())) {
    for (const auto& detail : details.details()) {
      google::rpc::ErrorInfo info;
      google::rpc::BadRequest bad_request;
      if (detail.UnpackTo(&info)) {
        failure.reason = info.reason();
      } else if (detail.UnpackTo(&bad_request)) {
        for (const auto& violation : bad_request.field_violations()) {
          failure.violations.push_back({violation.field(), violation.description()});
        }
      }
    }
  }
  if (failure.message.empty()) failure.message = "the server gave no reason";
  // The message of the API repeats the fields for clients that don't read details; once is enough.
  if (!failure.violations.empty() &&
      failure.message.find(failure.violations.front().description) != std::string::npos) {
    failure.message = "the server refused what was given:";
  }
  failure.hint = HintForReason(failure.reason);
  if (failure.hint.empty()) failure.hint = HintForCode(status.error_code(), address);
  return failure;
}

}  // namespace remora::cli
