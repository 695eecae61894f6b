// absl::Status with the two facts that the control API adds to an error: a stable reason
// (google.rpc.ErrorInfo) and the fields at fault (google.rpc.BadRequest). Layers below the API set
// them without knowing protobuf; server/control reads them back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace remora {

struct FieldViolation {
  std::string field;
  std::string description;

  friend bool operator==(const FieldViolation&, const FieldViolation&) = default;
};

// `reason` is UPPER_SNAKE_CASE, at most 63 characters.
absl::Status MakeStatus(absl::StatusCode code, std::string_view reason, std::string_view message);

// INVALID_ARGUMENT with reason INVALID_FIELD; the message lists every violation.
// `violations` must not be empty.
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);

// Empty where none was set.
std::string ReasonOf(const absl::Status& status);
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);

}  // namespace remora
