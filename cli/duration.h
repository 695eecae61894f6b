// Durations as people write them on the command line. Pure.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <string_view>

namespace remora::cli {

// "500ms", "5s", "1.5s", "1m30s", "1h"; "0" needs no unit. At most 24 h. The error says what is
// wrong with the text.
std::expected<std::chrono::milliseconds, std::string> ParseDuration(std::string_view text);

// The shortest spelling that ParseDuration reads back: "5s", "1m30s", "250ms".
std::string FormatDuration(std::chrono::milliseconds duration);

}  // namespace remora::cli
