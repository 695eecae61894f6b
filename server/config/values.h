// The scalar notations of the configuration: durations, sizes, addresses, and words that are nearly
// right. Pure; the YAML reader, the flags and the control socket share them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace remora::server {

// Decimal digits only.
std::optional<std::uint64_t> ParseNumber(std::string_view text);

// "250ms", "5s", "1m", "1h": digits and a unit; "0" needs none. nullopt for everything else and
// for what does not fit.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);
// In the largest unit that divides it: "1h", "90s".
std::string FormatDuration(std::chrono::milliseconds duration);

// "65536", "64KiB", "1MiB", "2GiB".
std::optional<std::uint64_t> ParseSize(std::string_view text);
std::string FormatSize(std::uint64_t bytes);

// The fewest digits that read back as the same number: "0.2", "1".
std::string FormatFraction(double number);

struct IpPort {
  std::string ip;  // without brackets
  std::uint16_t port = 0;
};
// "127.0.0.1:3000" or "[::1]:0"; names are not looked up.
std::optional<IpPort> ParseIpPort(std::string_view text);
// 127.0.0.0/8 or ::1.
bool IsLoopback(std::string_view ip);

// The rule for the control API over TCP: a loopback address, and `insecure` said aloud.
absl::Status CheckControlTcp(std::string_view address, bool insecure);

// Where the control socket is unless configured: `/run/remora/control.sock` for root, else
// `$XDG_RUNTIME_DIR/remora/control.sock`, else `/tmp/remora-<uid>/control.sock`. With "unix:".
std::string DefaultControlAddress(uid_t uid, std::string_view xdg_runtime_dir);

// The candidate that `word` most likely stands for; empty where none is near.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace remora::server
