#include "cli/output/views.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

#include "cli/output/table.h"

namespace remora::cli {
namespace {

std::string AgeOf(const v1::Server& server, std::chrono::system_clock::time_point now) {
  if (!server.has_create_time()) return {};
  const auto created = std::chrono::seconds(server.create_time().seconds());
  return Age(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()) - created);
}

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

// "9m59s": the second unit only where it says something, left out at zero.
std::string TwoUnits(std::int64_t first, char first_unit, std::int64_t second, char second_unit) {
  std::string text = std::to_string(first) + first_unit;
  if (second != 0) text += std::to_string(second) + second_unit;
  return text;
}

}  // namespace

std::string Age(std::chrono::seconds age) {
  const std::int64_t seconds = std::max<std::int64_t>(age.count(), 0);
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = minutes / 60;
  const std::int64_t days = hours / 24;
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (minutes < 10) return TwoUnits(minutes, 'm', seconds % 60, 's');
  if (hours < 3) return std::to_string(minutes) + "m";
  if (hours < 8) return TwoUnits(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return std::to_string(hours) + "h";
  if (days < 8) return TwoUnits(days, 'd', hours % 24, 'h');
  return std::to_string(days) + "d";
}

std::string NameOf(const v1::Server& server) { return server.pool() + "/" + server.id(); }

Colour ColourOf(v1::ServerStatus::State state) {
  switch (state) {
    case v1::ServerStatus::ACTIVE:
      return Colour::kGreen;
    case v1::ServerStatus::WARMING:
      return Colour::kYellow;
    case v1::ServerStatus::UNHEALTHY:
      return Colour::kRed;
    case v1::ServerStatus::DRAINING:
      return Colour::kCyan;
    default:
      return Colour::kNone;
  }
}

std::string Latency(bool measured, const google::protobuf::Duration& latency) {
  if (!measured) return {};
  const double ms =
      static_cast<double>(latency.seconds()) * 1000 + static_cast<double>(latency.nanos()) / 1e6;
  std::array<char, 32> text{};
  if (ms < 1) {
    std::snprintf(text.data(), text.size(), "%.0fus", ms * 1000);
  } else if (ms < 1000) {
    std::snprintf(text.data(), text.size(), ms < 100 ? "%.1fms" : "%.0fms", ms);
  } else {
    std::snprintf(text.data(), text.size(), "%.1fs", ms / 1000);
  }
  return text.data();
}

std::string ServersTable(std::span<const v1::Server> servers, const View& view) {
  constexpr std::size_t kState = 3;
  std::vector<std::string> heads = {"NAME",   "URL", "POOL",  "STATE", "WEIGHT",
                                    "ACTIVE", "MAX", "OWNER", "AGE"};
  if (view.wide) {
    heads.insert(heads.end(), {"REQUESTS", "FAILURES", "P50", "P99", "UID", "REVISION", "LABELS"});
  }
  heads.emplace_back("REASON");
  Table table(std::move(heads));
  for (const v1::Server& server : servers) {
    const v1::ServerSpec& spec = server.spec();
    const v1::ServerStatus& status = server.status();
    std::vector<std::string> cells = {
        server.id(),
        spec.url(),
        server.pool(),
        v1::ServerStatus::State_Name(status.state()),
        std::to_string(spec.weight()),
        std::to_string(status.active_requests()),
        spec.max_active() == 0 ? "-" : std::to_string(spec.max_active()),
        server.owner(),
        AgeOf(server, view.now)};
    if (view.wide) {
      const std::map<std::string, std::string> labels(spec.labels().begin(), spec.labels().end());
      std::string text;
      for (const auto& [key, value] : labels) text += (text.empty() ? "" : ",") + key + "=" + value;
      cells.insert(cells.end(), {std::to_string(status.requests_total()),
                                 std::to_string(status.failures_total()),
                                 Latency(status.has_latency_p50(), status.latency_p50()),
                                 Latency(status.has_latency_p99(), status.latency_p99()),
                                 server.uid(), std::to_string(server.revision()), text});
    }
    cells.push_back(status.reason());
    table.AddRow(std::move(cells));
    table.SetColour(kState, ColourOf(status.state()));
  }
  return table.Render(view.with_heads, view.with_colour);
}

std::string HealthTable(const v1::HealthResponse& health, const View& view) {
  Table sidecar({"READY", "VERSION", "UPTIME", "REVISION", "REASON"});
  sidecar.AddRow({health.ready() ? "true" : "false", health.version(),
                  Age(std::chrono::seconds(health.uptime().seconds())),
                  std::to_string(health.revision()), Joined(health.reasons())});
  sidecar.SetColour(0, health.ready() ? Colour::kGreen : Colour::kRed);
  Table pools({"POOL", "TOTAL", "WARMING", "ACTIVE", "UNHEALTHY", "DRAINING", "REQUESTS"});
  for (const v1::PoolHealth& pool : health.pools()) {
    pools.AddRow({pool.pool(), std::to_string(pool.total()), std::to_string(pool.warming()),
                  std::to_string(pool.active()), std::to_string(pool.unhealthy()),
                  std::to_string(pool.draining()), std::to_string(pool.active_requests())});
  }
  std::string text =
      sidecar.Render(view.with_heads, view.with_colour) + "\n" + pools.Render(view.with_heads);
  if (health.listeners().empty()) return text;
  Table listeners({"LISTENER", "POOL", "DIRECTION", "STATE", "CONNECTIONS"});
  for (const v1::ListenerHealth& listener : health.listeners()) {
    listeners.AddRow({listener.address(), listener.pool(),
                      v1::ListenerHealth::Direction_Name(listener.direction()),
                      v1::ListenerHealth::State_Name(listener.state()),
                      std::to_string(listener.connections())});
  }
  return text + "\n" + listeners.Render(view.with_heads);
}

std::string FailureText(const Failure& failure) {
  std::string text = "error: " + Printable(failure.message) + "\n";
  for (const FieldViolation& violation : failure.violations) {
    text += "  " + Printable(violation.field) + ": " + Printable(violation.description) + "\n";
  }
  if (!failure.reason.empty()) text += "reason: " + Printable(failure.reason) + "\n";
  if (!failure.hint.empty()) text += "hint: " + failure.hint + "\n";
  return text;
}

}  // namespace remora::cli
