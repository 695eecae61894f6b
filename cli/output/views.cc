#include "cli/output/views.h"

#include <algorithm>
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

std::string ServersTable(std::span<const v1::Server> servers, const View& view) {
  Table table(
      {"NAME", "URL", "POOL", "STATE", "WEIGHT", "ACTIVE", "MAX", "OWNER", "AGE", "REASON"});
  for (const v1::Server& server : servers) {
    const v1::ServerSpec& spec = server.spec();
    const v1::ServerStatus& status = server.status();
    table.AddRow({server.id(), spec.url(), server.pool(),
                  v1::ServerStatus::State_Name(status.state()), std::to_string(spec.weight()),
                  std::to_string(status.active_requests()),
                  spec.max_active() == 0 ? "-" : std::to_string(spec.max_active()), server.owner(),
                  AgeOf(server, view.now), status.reason()});
  }
  return table.Render(view.with_heads);
}

std::string HealthTable(const v1::HealthResponse& health, const View& view) {
  Table sidecar({"READY", "VERSION", "UPTIME", "REVISION", "REASON"});
  sidecar.AddRow({health.ready() ? "true" : "false", health.version(),
                  Age(std::chrono::seconds(health.uptime().seconds())),
                  std::to_string(health.revision()), Joined(health.reasons())});
  Table pools({"POOL", "TOTAL", "WARMING", "ACTIVE", "UNHEALTHY", "DRAINING", "REQUESTS"});
  for (const v1::PoolHealth& pool : health.pools()) {
    pools.AddRow({pool.pool(), std::to_string(pool.total()), std::to_string(pool.warming()),
                  std::to_string(pool.active()), std::to_string(pool.unhealthy()),
                  std::to_string(pool.draining()), std::to_string(pool.active_requests())});
  }
  return sidecar.Render(view.with_heads) + "\n" + pools.Render(view.with_heads);
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
