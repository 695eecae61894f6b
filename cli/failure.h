// Why a command failed, in the form in which it is shown: every layer of the client returns this
// one type. Values only, no threads, no lifetime rules.
#pragma once

#include <grpcpp/support/status.h>

#include <expected>
#include <string>
#include <vector>

#include "cli/exit_code.h"

namespace remora::cli {

struct FieldViolation {
  std::string field;
  std::string description;

  friend bool operator==(const FieldViolation&, const FieldViolation&) = default;
};

struct Failure {
  ExitCode exit = ExitCode::kFailure;
  std::string message;
  std::string reason = {};  // of google.rpc.ErrorInfo; empty where the client itself gave up
  std::vector<FieldViolation> violations = {};
  std::string hint = {};  // the next step
};

template <class T>
using Reply = std::expected<T, Failure>;
using Outcome = Reply<void>;

// Decodes an answer of the control API, google.rpc.Status details included. `status` is not OK;
// `address` is what was called, for the hint.
Failure FailureFrom(const grpc::Status& status, const std::string& address);

}  // namespace remora::cli
