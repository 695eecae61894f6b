// Answers that the routes of the admin port share. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/admin/http_server.h"

namespace remora::server {

HttpAnswer JsonAnswer(std::string body, unsigned status = 200);

// {"reason":..., "error":...}: a stable word, and what to do.
HttpAnswer ErrorAnswer(unsigned status, std::string_view reason, std::string_view error);

// With the reason and the violations that the control API would name.
HttpAnswer ErrorAnswer(const absl::Status& status);

// The value of `key` in "a=1&b=2", percent-decoded; nullopt where it is not there.
std::optional<std::string> QueryValue(std::string_view query, std::string_view key);

}  // namespace remora::server
