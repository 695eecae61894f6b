#include "server/config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proxy/base/abseil.h"
#include "proxy/base/socket_address.h"

namespace remora::server {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
// The largest first, as formatting takes the first that divides.
constexpr std::array<Unit, 4> kDurationUnits{
    {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 4> kSizeUnits{
    {{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"", 1}}};

// Digits, then the exact name of a unit.
std::optional<std::uint64_t> ParseWithUnit(std::string_view text, std::span<const Unit> units) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end()) return std::nullopt;
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  if (number > static_cast<std::uint64_t>(kMax) / unit->factor) return std::nullopt;
  return number * unit->factor;
}

std::string FormatWithUnit(std::uint64_t number, std::span<const Unit> units) {
  const auto unit = std::ranges::find_if(
      units, [number](const Unit& candidate) { return number % candidate.factor == 0; });
  return absl::StrCat(number / unit->factor, ToAbsl(unit->name));
}

// Letters to change, insert, remove or swap with their neighbour to make `a` of `b`.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({change, previous[j] + 1, current[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc() || end != last) return std::nullopt;
  return number;
}

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  const std::optional<std::uint64_t> number = ParseWithUnit(text, kDurationUnits);
  if (!number) return std::nullopt;
  return std::chrono::milliseconds(*number);
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  if (duration.count() == 0) return "0s";
  return FormatWithUnit(static_cast<std::uint64_t>(duration.count()), kDurationUnits);
}

std::optional<std::uint64_t> ParseSize(std::string_view text) {
  return ParseWithUnit(text, kSizeUnits);
}

std::string FormatSize(std::uint64_t bytes) {
  return bytes == 0 ? "0" : FormatWithUnit(bytes, kSizeUnits);
}

std::string FormatFraction(double number) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::string(text.data(), end) : "0";
}

std::optional<IpPort> ParseIpPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view ip = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = ip.size() > 2 && ip.front() == '[' && ip.back() == ']';
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  // "::1:80" could be read two ways.
  if (bracketed != (ip.find(':') != std::string_view::npos)) return std::nullopt;
  IpPort address{.ip = std::string(ip)};
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, address.port);
  if (error != std::errc() || end != last) return std::nullopt;
  if (!proxy::SocketAddress::FromIp(ip, address.port)) return std::nullopt;
  return address;
}

bool IsLoopback(std::string_view ip) { return ip == "::1" || ip.starts_with("127."); }

absl::Status CheckControlTcp(std::string_view address, bool insecure) {
  const std::optional<IpPort> parsed = ParseIpPort(address);
  if (!parsed) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", absl::CHexEscape(ToAbsl(address)),
                     "' is not an address; write unix:/path, or ip:port such as 127.0.0.1:3001"));
  }
  if (!IsLoopback(parsed->ip)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", ToAbsl(address),
                     "' is not loopback: the control API over the network needs mTLS, which is "
                     "not built yet; use unix:/path, or a loopback address with insecure: true"));
  }
  if (!insecure) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", ToAbsl(address),
                     "' is TCP, which any local user can reach: mTLS is not built yet; use "
                     "unix:/path, or say insecure: true (--control-insecure)"));
  }
  return absl::OkStatus();
}

std::string DefaultControlAddress(uid_t uid, std::string_view xdg_runtime_dir) {
  if (uid == 0) return "unix:/run/remora/control.sock";
  if (xdg_runtime_dir.starts_with('/')) {
    return absl::StrCat("unix:", ToAbsl(xdg_runtime_dir), "/remora/control.sock");
  }
  return absl::StrCat("unix:/tmp/remora-", uid, "/control.sock");
}

std::string_view Nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view nearest;
  // A third of the letters may be wrong; more would be guessing.
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  if (word.size() > 64) return nearest;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = EditDistance(word, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace remora::server
