// absl::Status with the two facts that the control API adds to an error: a stable reason
// (google.rpc.ErrorInfo) and the fields at fault (google.rpc.BadRequest). Layers below the API set
// them without knowing protobuf; server/control reads them back.
//
// Everything here is bounded: an error travels in HTTP/2 trailers, and clients end a call whose
// trailers pass 8 KiB with an error that says nothing of ours.
#pragma once

#include <cstddef>
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

inline constexpr std::size_t kMaxStatusMessage = 1024;  // bytes; what is longer is cut
inline constexpr std::size_t kMaxViolations = 10;       // the message tells how many more there are

// `reason` is UPPER_SNAKE_CASE, at most 63 characters.
absl::Status MakeStatus(absl::StatusCode code, std::string_view reason, std::string_view message);

// INVALID_ARGUMENT with reason INVALID_FIELD; the message lists the violations that are kept.
// `violations` must not be empty.
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);

// Empty where none was set.
std::string ReasonOf(const absl::Status& status);
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);

// ---- text of peers in messages, details and log lines ----

bool IsUtf8(std::string_view text);

// At most `max_bytes` bytes of `text`, which is UTF-8, with "..." for what was cut. A character is
// never split. `max_bytes` is at least 3.
std::string Cut(std::string_view text, std::size_t max_bytes);

// `text` as it may be shown: control characters and bytes that are not UTF-8 as \xNN, and cut.
std::string Shown(std::string_view text, std::size_t max_bytes);

}  // namespace remora
