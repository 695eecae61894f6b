#include "proxy/base/status.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "proxy/base/abseil.h"

namespace remora {
namespace {

constexpr char kReasonUrl[] = "remora.dev/reason";
constexpr char kFieldsUrl[] = "remora.dev/fields";
// Separate entries and their halves in the payload; neither occurs in field names or our texts.
constexpr char kEntryEnd = '\x1e';
constexpr char kHalfEnd = '\x1f';
constexpr std::string_view kEllipsis = "...";
// Room for "; and 9999 more" behind the violations.
constexpr std::size_t kMaxViolationBytes = kMaxStatusMessage - 24;
constexpr std::size_t kMaxField = 60;

unsigned char ByteAt(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

bool Continues(unsigned char byte) { return (byte & 0xC0U) == 0x80U; }

// Bytes of the character that `text` starts with; 0 where it starts with none. (RFC 3629: neither
// overlong, nor a surrogate, nor above U+10FFFF.)
std::size_t CharacterLength(std::string_view text) {
  const unsigned char lead = ByteAt(text, 0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  unsigned char least = 0x80;
  unsigned char most = 0xBF;
  if (lead == 0xE0) least = 0xA0;
  if (lead == 0xED) most = 0x9F;
  if (lead == 0xF0) least = 0x90;
  if (lead == 0xF4) most = 0x8F;
  if (ByteAt(text, 1) < least || ByteAt(text, 1) > most) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (!Continues(ByteAt(text, i))) return 0;
  }
  return length;
}

// C0, DEL and C1, which a terminal may act on.
bool IsControl(std::string_view character) {
  const unsigned char first = ByteAt(character, 0);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return character.size() == 2 && first == 0xC2 && ByteAt(character, 1) < 0xA0;
}

// What fits into the payload, the message and the trailers: at most kMaxViolations, which share the
// room where it is short.
std::vector<FieldViolation> Bounded(const std::vector<FieldViolation>& violations) {
  const std::size_t count = std::min(violations.size(), kMaxViolations);
  std::vector<FieldViolation> kept;
  std::size_t bytes = 0;
  for (const FieldViolation& violation : violations) {
    if (kept.size() == count) break;
    kept.push_back({Shown(violation.field, kMaxField),
                    Shown(violation.description, kMaxViolationBytes - kMaxField - 4)});
    bytes += kept.back().field.size() + kept.back().description.size() + 4;
  }
  if (bytes <= kMaxViolationBytes) return kept;
  const std::size_t share = kMaxViolationBytes / count;
  for (FieldViolation& violation : kept) {
    violation.description = Cut(violation.description, share - violation.field.size() - 4);
  }
  return kept;
}

}  // namespace

absl::Status MakeStatus(absl::StatusCode code, std::string_view reason, std::string_view message) {
  absl::Status status(code, Shown(message, kMaxStatusMessage));
  status.SetPayload(kReasonUrl, absl::Cord(ToAbsl(reason)));
  return status;
}

absl::Status InvalidFields(const std::vector<FieldViolation>& violations) {
  assert(!violations.empty());
  const std::vector<FieldViolation> kept = Bounded(violations);
  std::string message;
  std::string payload;
  for (const FieldViolation& violation : kept) {
    if (!message.empty()) message += "; ";
    message += violation.field + ": " + violation.description;
    payload += violation.field + kHalfEnd + violation.description + kEntryEnd;
  }
  if (kept.size() < violations.size()) {
    absl::StrAppend(&message, "; and ", violations.size() - kept.size(), " more");
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

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = CharacterLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string Cut(std::string_view text, std::size_t max_bytes) {
  assert(max_bytes >= kEllipsis.size());
  if (text.size() <= max_bytes) return std::string(text);
  std::size_t end = max_bytes - kEllipsis.size();
  while (end > 0 && Continues(ByteAt(text, end))) --end;
  return std::string(text.substr(0, end)) += kEllipsis;
}

std::string Shown(std::string_view text, std::size_t max_bytes) {
  assert(max_bytes >= kEllipsis.size());
  std::string shown;
  std::size_t whole = 0;  // where to cut, so that no escape is split either
  // Of what is cut anyway only so much is looked at that it is seen to be cut.
  while (!text.empty() && shown.size() <= max_bytes) {
    if (shown.size() <= max_bytes - kEllipsis.size()) whole = shown.size();
    const std::size_t length = CharacterLength(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    if (length == 0 || IsControl(character)) {
      for (const char c : character) {
        absl::StrAppendFormat(&shown, "\\x%02x", static_cast<unsigned char>(c));
      }
    } else {
      shown += character;
    }
    text.remove_prefix(character.size());
  }
  if (shown.size() <= max_bytes) return shown;
  shown.resize(whole);
  return shown += kEllipsis;
}

}  // namespace remora
