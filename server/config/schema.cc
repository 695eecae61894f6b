#include "server/config/schema.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proxy/base/abseil.h"
#include "proxy/registry/backend_url.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

using proxy::HealthCheckSettings;
using proxy::LimitSettings;
using proxy::ListenerSettings;
using proxy::PoolSettings;
using proxy::ProxySettings;
using proxy::ServerSpec;
using proxy::TimeoutSettings;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kMaxWorkers = 64;
constexpr std::uint64_t kMaxConnections = 1'000'000;
constexpr std::uint64_t kMaxWeight = 1000;
constexpr std::uint64_t kMaxActive = 1'000'000;
constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;
constexpr std::uint64_t kMaxRequests = 1'000'000'000'000;
constexpr std::uint64_t kMaxBody = std::uint64_t{1} << 50;
constexpr std::size_t kMaxLabels = 64;

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, 100)), "'");
}

// ---- checks of texts: empty where nothing is wrong ----

std::string CheckAddress(const std::string& text) {
  if (ParseIpPort(text)) return {};
  return Quoted(text) + " is not an address; write ip:port, such as 127.0.0.1:3000 or [::1]:3000";
}

std::string CheckControlAddress(const std::string& text) {
  constexpr std::string_view kUnix = "unix:";
  if (ParseIpPort(text)) return {};
  if (text.starts_with(kUnix) && text.size() > kUnix.size() + 1 && text[kUnix.size()] == '/' &&
      text.size() <= kUnix.size() + 107 && text.back() != '/') {
    return {};
  }
  return Quoted(text) +
         " is not an address; write unix:/path (at most 107 bytes), or ip:port such as "
         "127.0.0.1:3001";
}

std::string CheckName(const std::string& text) {
  if (proxy::ValidId(text)) return {};
  return Quoted(text) +
         " is not a name; allowed are 1 to 63 of a-z, 0-9 and '-', with neither first nor last a "
         "'-'";
}

std::string CheckPath(const std::string& text) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return c > 0x20 && c < 0x7f && c != '?' && c != '#'; });
  if (plain && text.starts_with('/') && text.size() <= 1024) return {};
  return Quoted(text) + " is not a path; it starts with '/' and has no blank, '?' or '#'";
}

std::string CheckFile(const std::string& text) {
  const bool control = std::ranges::any_of(text, [](char c) { return c >= 0 && c < 0x20; });
  if (!control && text.size() <= 1024 && !text.ends_with('/')) return {};
  return Quoted(text) + " is not the path of a file; write for example /var/log/remora/access.log";
}

std::string CheckUrl(const std::string& text) {
  const auto url = proxy::ParseBackendUrl(text);
  return url.ok() ? std::string() : std::string(url.status().message());
}

// ---- servers ----

void ReadLabels(const Value& value, ServerSpec& spec) {
  value.ForEachEntry([&spec](const std::string& key, const Value& entry) {
    auto text = entry.Text();
    if (!text) return;
    if (const std::string problem = proxy::LabelProblem(key, *text); !problem.empty()) {
      return entry.Fail(problem);
    }
    if (spec.labels.size() == kMaxLabels) return entry.Fail("is one too many; 64 are allowed");
    spec.labels.emplace(key, *std::move(text));
  });
}

const std::vector<Field<ServerSpec>>& SpecFields() {
  static const std::vector<Field<ServerSpec>> fields{
      TextField("url", &ServerSpec::url, CheckUrl),
      NumberField("weight", &ServerSpec::weight, 1, kMaxWeight),
      NumberField("max_active", &ServerSpec::max_active, 0, kMaxActive),
      {"labels", ReadLabels},
  };
  return fields;
}

// The keys of the spec and the id stand side by side in the file.
const std::vector<Field<ListedServer>>& ServerFields() {
  static const std::vector<Field<ListedServer>> fields = [] {
    std::vector<Field<ListedServer>> all{TextField("id", &ListedServer::id, CheckName)};
    for (const Field<ServerSpec>& field : SpecFields()) {
      all.push_back({field.key, [&field](const Value& value, ListedServer& server) {
                       field.read(value, server.spec);
                     }});
    }
    return all;
  }();
  return fields;
}

// "http://..." or {url: http://..., weight: 2}. One that could not be read is left out.
void ReadServers(const Value& value, std::vector<ListedServer>& servers) {
  value.ForEachElement([&servers](const Value& element) {
    ListedServer server;
    server.where = absl::StrCat(element.where(), ": ", element.path());
    if (element.IsScalar()) {
      server.spec.url = *element.Text();
      if (const std::string wrong = CheckUrl(server.spec.url); !wrong.empty()) {
        return element.Fail(wrong);
      }
    } else {
      const std::size_t before = element.problems();
      ReadMap(element, ServerFields(), server);
      if (element.problems() != before) return;
      if (server.spec.url.empty()) return element.Fail("has no url");
    }
    servers.push_back(std::move(server));
  });
}

// ---- pools ----

void ReadPolicy(const Value& value, PoolSettings&) {
  // Said aloud for files that will name another one some day.
  constexpr std::string_view kPolicies[] = {"least_active"};
  value.Choice(kPolicies);
}

const std::vector<Field<HealthCheckSettings>>& HealthCheckFields() {
  using H = HealthCheckSettings;
  static const std::vector<Field<H>> fields{
      ChoiceField("probe", &H::probe, {"auto", "http", "tcp", "none"}),
      TextField("path", &H::path, CheckPath),
      DurationField("interval", &H::interval, milliseconds(100), hours(1)),
      FractionField("jitter", &H::jitter),
      DurationField("timeout", &H::timeout, milliseconds(10), seconds(60)),
      NumberField("rise", &H::rise, 1, 100),
      NumberField("fall", &H::fall, 1, 100),
  };
  return fields;
}

const std::vector<Field<TimeoutSettings>>& TimeoutFields() {
  using T = TimeoutSettings;
  static const std::vector<Field<T>> fields{
      DurationField("connect", &T::connect, milliseconds(10), seconds(60)),
      DurationField("response_head", &T::response_head, milliseconds(10), hours(24)),
      DurationField("idle", &T::idle, milliseconds(10), hours(24)),
      DurationField("tunnel", &T::tunnel, milliseconds(10), hours(24)),
      DurationField("upstream_idle", &T::upstream_idle, milliseconds(0), hours(1)),
  };
  return fields;
}

const std::vector<Field<LimitSettings>>& LimitFields() {
  using L = LimitSettings;
  static const std::vector<Field<L>> fields{
      SizeField("head_bytes", &L::head_bytes, kKiB, kMiB),
      NumberField("head_fields", &L::head_fields, 1, 1000),
      SizeField("request_line_bytes", &L::request_line_bytes, kKiB, kMiB),
      SizeField("body_bytes", &L::body_bytes, 0, kMaxBody),
      SizeField("chunk_extension_bytes", &L::chunk_extension_bytes, 0, kMiB),
      SizeField("trailer_bytes", &L::trailer_bytes, 0, kMiB),
      NumberField("interim_responses", &L::interim_responses, 0, 1000),
      NumberField("connection_requests", &L::connection_requests, 0, kMaxRequests),
  };
  return fields;
}

const std::vector<Field<PoolSettings>>& PoolSettingsFields() {
  using P = PoolSettings;
  static const std::vector<Field<P>> fields{
      TextField("name", &P::name, CheckName),
      {"policy", ReadPolicy},
      ChoiceField("host_header", &P::host_header, {"client", "backend"}),
      MapField("health_check", &P::health_check, HealthCheckFields),
      MapField("timeouts", &P::timeouts, TimeoutFields),
      MapField("limits", &P::limits, LimitFields),
  };
  return fields;
}

const std::vector<Field<PoolEntry>>& PoolFields() {
  static const std::vector<Field<PoolEntry>> fields = [] {
    std::vector<Field<PoolEntry>> all{
        {"servers", [](const Value& value, PoolEntry& pool) { ReadServers(value, pool.servers); }}};
    for (const Field<PoolSettings>& field : PoolSettingsFields()) {
      all.push_back({field.key, [&field](const Value& value, PoolEntry& pool) {
                       field.read(value, pool.settings);
                     }});
    }
    return all;
  }();
  return fields;
}

void ReadPools(const Value& value, Document& document) {
  value.ForEachElement([&document](const Value& element) {
    PoolEntry pool{.settings = {}, .servers = {}, .path = element.path()};
    ReadMap(element, PoolFields(), pool);
    for (ListedServer& server : pool.servers) server.pool = pool.settings.name;
    document.pools.push_back(std::move(pool));
  });
}

// ---- listeners ----

struct ListenerTimeouts {
  milliseconds request_head = ListenerSettings().request_head_timeout;
  milliseconds keep_alive = ListenerSettings().keep_alive_timeout;
};

const std::vector<Field<ListenerTimeouts>>& ListenerTimeoutFields() {
  using T = ListenerTimeouts;
  static const std::vector<Field<T>> fields{
      DurationField("request_head", &T::request_head, milliseconds(10), hours(1)),
      DurationField("keep_alive", &T::keep_alive, milliseconds(0), hours(24)),
  };
  return fields;
}

void ReadListenerTimeouts(const Value& value, ListenerSettings& listener) {
  ListenerTimeouts timeouts;
  ReadMap(value, ListenerTimeoutFields(), timeouts);
  listener.request_head_timeout = timeouts.request_head;
  listener.keep_alive_timeout = timeouts.keep_alive;
}

const std::vector<Field<ListenerSettings>>& ListenerFields() {
  using L = ListenerSettings;
  static const std::vector<Field<L>> fields{
      TextField("address", &L::address, CheckAddress),
      TextField("pool", &L::pool, CheckName),
      ChoiceField("direction", &L::direction, {"inbound", "outbound"}),
      ChoiceField("underscores", &L::underscores, {"pass", "reject"}),
      {"timeouts", ReadListenerTimeouts},
  };
  return fields;
}

// A list replaces the one before: --listen those of the file.
void ReadListeners(const Value& value, Document& document) {
  document.config.proxy.listeners.clear();
  value.ForEachElement([&document](const Value& element) {
    ListenerSettings listener;
    ReadMap(element, ListenerFields(), listener);
    document.config.proxy.listeners.push_back(std::move(listener));
  });
}

// ---- the rest ----

void ReadWorkers(const Value& value, Document& document) {
  const auto text = value.Text();
  if (!text) return;
  if (*text == "auto") {
    document.config.proxy.workers = kAutoWorkers;
    return;
  }
  const std::optional<std::uint64_t> number = ParseNumber(*text);
  if (!number || *number < 1 || *number > kMaxWorkers) {
    return value.Fail(
        absl::StrCat(Quoted(*text), " is neither 'auto' nor a number from 1 to ", kMaxWorkers));
  }
  document.config.proxy.workers = static_cast<std::uint32_t>(*number);
}

const std::vector<Field<ProxySettings>>& ProxyLimitFields() {
  static const std::vector<Field<ProxySettings>> fields{
      NumberField("connections", &ProxySettings::max_connections, 0, kMaxConnections)};
  return fields;
}

const std::vector<Field<ControlSettings>>& ControlFields() {
  static const std::vector<Field<ControlSettings>> fields{
      TextField("address", &ControlSettings::address, CheckControlAddress),
      BoolField("insecure", &ControlSettings::insecure),
  };
  return fields;
}

const std::vector<Field<AdminSettings>>& AdminFields() {
  static const std::vector<Field<AdminSettings>> fields{
      TextField("address", &AdminSettings::address, CheckAddress),
      BoolField("allow_mutations", &AdminSettings::allow_mutations),
  };
  return fields;
}

const std::vector<Field<AccessLogSettings>>& AccessLogFields() {
  using A = AccessLogSettings;
  static const std::vector<Field<A>> fields{
      BoolField("enabled", &A::enabled),
      FractionField("sample", &A::sample),
      TextField("path", &A::path, CheckFile),
  };
  return fields;
}

const std::vector<Field<LogSettings>>& LogFields() {
  static const std::vector<Field<LogSettings>> fields{
      ChoiceField("level", &LogSettings::level, {"debug", "info", "warn", "error"}),
      ChoiceField("format", &LogSettings::format, {"auto", "text", "json"}),
      MapField("access", &LogSettings::access, AccessLogFields),
  };
  return fields;
}

const std::vector<Field<ShutdownSettings>>& ShutdownFields() {
  using S = ShutdownSettings;
  static const std::vector<Field<S>> fields{
      DurationField("delay", &S::delay, milliseconds(0), hours(1)),
      DurationField("deadline", &S::deadline, milliseconds(0), hours(24)),
  };
  return fields;
}

// A section of the root that is read into a member of the Config.
template <class Section>
Field<Document> SectionField(std::string_view key, Section Config::* section,
                             const std::vector<Field<Section>>& (*fields)()) {
  return {key, [=](const Value& value, Document& document) {
            ReadMap(value, fields(), document.config.*section);
          }};
}

}  // namespace

const std::vector<Field<Document>>& RootFields() {
  static const std::vector<Field<Document>> fields{
      {"workers", ReadWorkers},
      {"listeners", ReadListeners},
      {"pools", ReadPools},
      {"servers",
       [](const Value& value, Document& document) { ReadServers(value, document.config.servers); }},
      SectionField("limits", &Config::proxy, ProxyLimitFields),
      SectionField("control", &Config::control, ControlFields),
      SectionField("admin", &Config::admin, AdminFields),
      SectionField("log", &Config::log, LogFields),
      SectionField("shutdown", &Config::shutdown, ShutdownFields),
  };
  return fields;
}

}  // namespace remora::server
