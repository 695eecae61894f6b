#include "proxy/base/status.h"

#include <cassert>

#include "absl/strings/cord.h"
#include "absl/strings/str_split.h"
#include "proxy/base/abseil.h"

namespace remora {
namespace {

constexpr char kReasonUrl[] = "remora.dev/reason";
constexpr char kFieldsUrl[] = "remora.dev/fields";
// Separate entries and their halves in the payload; neither occurs in field names or our texts.
constexpr char kEntryEnd = '\x1e';
constexpr char kHalfEnd = '\x1f';

}  // namespace

absl::Status MakeStatus(absl::StatusCode code, std::string_view reason, std::string_view message) {
  absl::Status status(code, ToAbsl(message));
  status.SetPayload(kReasonUrl, absl::Cord(ToAbsl(reason)));
  return status;
}

absl::Status InvalidFields(const std::vector<FieldViolation>& violations) {
  assert(!violations.empty());
  std::string message;
  std::string payload;
  for (const FieldViolation& violation : violations) {
    if (!message.empty()) message += "; ";
    message += violation.field + ": " + violation.description;
    payload += violation.field + kHalfEnd + violation.description + kEntryEnd;
  }
  absl::Status status = MakeStatus(absl::StatusCode::kInvalidArgument, "INVALID_FIELD", message);
  status.SetPayload(kFieldsUrl, absl::Cord(payload));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonUrl);
  return payload.has_value() ? std::string(*payload) : std::string();
}

std::vector<FieldViolation> ViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  const auto payload = status.GetPayload(kFieldsUrl);
  if (!payload.has_value()) return violations;
  const std::string text(*payload);
  for (const absl::string_view entry : absl::StrSplit(text, kEntryEnd, absl::SkipEmpty())) {
    const std::pair<std::string, std::string> halves =
        absl::StrSplit(entry, absl::MaxSplits(kHalfEnd, 1));
    violations.push_back({.field = halves.first, .description = halves.second});
  }
  return violations;
}

}  // namespace remora
