#include "server/admin/answers.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "proxy/base/abseil.h"
#include "proxy/base/status.h"
#include "server/admin/json.h"

namespace remora::server {
namespace {

unsigned HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

int HexDigit(char c) {
  if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return -1;
  return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

// What is no escape stays as it is.
std::string PercentDecoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                        HexDigit(text[i + 2]) >= 0;
    if (!escape) {
      decoded += text[i];
      continue;
    }
    decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
    i += 2;
  }
  return decoded;
}

}  // namespace

HttpAnswer JsonAnswer(std::string body, unsigned status) {
  return {.status = status, .content_type = kJsonContentType, .body = std::move(body) + "\n"};
}

HttpAnswer ErrorAnswer(unsigned status, std::string_view reason, std::string_view error) {
  return JsonAnswer(JsonObject().Text("reason", reason).Text("error", error).str(), status);
}

HttpAnswer ErrorAnswer(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  JsonObject object;
  object.Text("reason", reason.empty() ? absl::StatusCodeToString(status.code()) : reason)
      .Text("error", ToStd(status.message()));
  JsonArray violations;
  for (const FieldViolation& violation : ViolationsOf(status)) {
    violations.Add(JsonObject()
                       .Text("field", violation.field)
                       .Text("description", violation.description)
                       .str());
  }
  if (!ViolationsOf(status).empty()) object.Raw("violations", violations.str());
  return JsonAnswer(object.str(), HttpStatus(status.code()));
}

std::optional<std::string> QueryValue(std::string_view query, std::string_view key) {
  for (const absl::string_view part : absl::StrSplit(ToAbsl(query), '&')) {
    const std::string_view pair = ToStd(part);
    const std::size_t mark = std::min(pair.find('='), pair.size());
    if (pair.substr(0, mark) != key) continue;
    return PercentDecoded(pair.substr(std::min(mark + 1, pair.size())));
  }
  return std::nullopt;
}

}  // namespace remora::server
