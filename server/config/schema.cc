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

ShownValue ShowLabels(const ServerSpec& spec) {
  ShownValue labels{.kind = ShownValue::Kind::kMap};
  for (const auto& [key, value] : spec.labels) labels.entries.emplace_back(key, ShownText(value));
  return labels;
}

const Fields<ServerSpec>& SpecFields() {
  static const Fields<ServerSpec> fields{
      TextField("url", &ServerSpec::url, CheckUrl),
      NumberField("weight", &ServerSpec::weight, 1, kMaxWeight),
      NumberField("max_active", &ServerSpec::max_active, 0, kMaxActive),
      {"labels", ReadLabels, ShowLabels, {.kind = Shape::Kind::kLabels}},
  };
  return fields;
}

// The keys of the spec and the id stand side by side in the file.
const Fields<ListedServer>& ServerFields() {
  static const Fields<ListedServer> fields = [] {
    Fields<ListedServer> all{TextField("id", &ListedServer::id, CheckName, Shape::Kind::kName)};
    for (const Field<ServerSpec>& field : SpecFields()) {
      all.push_back(PartField(field, &ListedServer::spec));
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
      server.origins["url"] = element.where();
      if (const std::string wrong = CheckUrl(server.spec.url); !wrong.empty()) {
        return element.Fail(wrong);
      }
    } else {
      const std::size_t before = element.problems();
      ReadMap(element, ServerFields(), server);
      if (element.problems() != before) return;
      if (server.spec.url.empty()) return element.Fail("has no url");
      server.origins = element.PlacesBelow();
    }
    servers.push_back(std::move(server));
  });
}

// Each of its values knows where it came from: lists of several sources were put together.
ShownValue ShowServer(const ListedServer& server) {
  ShownValue shown = ShowMap(ServerFields(), server);
  for (auto& [key, value] : shown.entries) {
    const auto origin = [&server](const std::string& path) {
      const auto found = server.origins.find(path);
      return found == server.origins.end() ? std::string("default") : found->second;
    };
    if (key == "id" && server.id.empty()) {
      const auto url = proxy::ParseBackendUrl(server.spec.url);
      value = ShownText(url.ok() ? proxy::DeriveId(*url) : std::string());
      value.origin = "made from the url";
      continue;
    }
    value.origin = origin(key);
    for (auto& [label, text] : value.entries) text.origin = origin(key + "." + label);
  }
  std::erase_if(shown.entries, [](const auto& entry) {
    return entry.value.kind == ShownValue::Kind::kMap && entry.value.entries.empty();
  });
  return shown;
}

template <class T>
Field<T> ServersField(std::vector<ListedServer> T::* member) {
  return {"servers", [=](const Value& value, T& out) { ReadServers(value, out.*member); },
          [=](const T& from) {
            ShownValue list{.kind = ShownValue::Kind::kList};
            for (const ListedServer& server : from.*member) {
              list.elements.push_back(ShowServer(server));
            }
            return list;
          },
          ShapeOf(ServerFields(), Shape::Kind::kServers)};
}

// ---- pools ----

// There is one; it is said aloud for files that will name another some day.
Field<PoolSettings> PolicyField() {
  static constexpr std::string_view kPolicies[] = {"least_active"};
  return {"policy",
          [](const Value& value, PoolSettings&) { value.Choice(kPolicies); },
          [](const PoolSettings&) { return ShownText(std::string(kPolicies[0])); },
          {.kind = Shape::Kind::kChoice, .choices = {std::begin(kPolicies), std::end(kPolicies)}}};
}

const Fields<HealthCheckSettings>& HealthCheckFields() {
  using H = HealthCheckSettings;
  static const Fields<H> fields{
      ChoiceField("probe", &H::probe, {"auto", "http", "tcp", "none"}),
      TextField("path", &H::path, CheckPath, Shape::Kind::kPath),
      DurationField("interval", &H::interval, milliseconds(100), hours(1)),
      FractionField("jitter", &H::jitter),
      DurationField("timeout", &H::timeout, milliseconds(10), seconds(60)),
      NumberField("rise", &H::rise, 1, 100),
      NumberField("fall", &H::fall, 1, 100),
  };
  return fields;
}

const Fields<TimeoutSettings>& TimeoutFields() {
  using T = TimeoutSettings;
  static const Fields<T> fields{
      DurationField("connect", &T::connect, milliseconds(10), seconds(60)),
      DurationField("response_head", &T::response_head, milliseconds(10), hours(24)),
      DurationField("idle", &T::idle, milliseconds(10), hours(24)),
      DurationField("tunnel", &T::tunnel, milliseconds(10), hours(24)),
      DurationField("upstream_idle", &T::upstream_idle, milliseconds(0), hours(1)),
  };
  return fields;
}

const Fields<LimitSettings>& LimitFields() {
  using L = LimitSettings;
  static const Fields<L> fields{
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

const Fields<PoolSettings>& PoolSettingsFields() {
  using P = PoolSettings;
  static const Fields<P> fields{
      TextField("name", &P::name, CheckName, Shape::Kind::kName),
      PolicyField(),
      ChoiceField("host_header", &P::host_header, {"client", "backend"}),
      MapField("health_check", &P::health_check, HealthCheckFields),
      MapField("timeouts", &P::timeouts, TimeoutFields),
      MapField("limits", &P::limits, LimitFields),
  };
  return fields;
}

const Fields<PoolEntry>& PoolFields() {
  static const Fields<PoolEntry> fields = [] {
    Fields<PoolEntry> all;
    for (const Field<PoolSettings>& field : PoolSettingsFields()) {
      all.push_back(PartField(field, &PoolEntry::settings));
    }
    all.push_back(ServersField(&PoolEntry::servers));
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

// A listener has its two times beside its other settings, the file has them in a map.
const Fields<ListenerSettings>& ListenerTimeoutFields() {
  using L = ListenerSettings;
  static const Fields<L> fields{
      DurationField("request_head", &L::request_head_timeout, milliseconds(10), hours(1)),
      DurationField("keep_alive", &L::keep_alive_timeout, milliseconds(0), hours(24)),
  };
  return fields;
}

Field<ListenerSettings> ListenerTimeoutsField() {
  return {
      "timeouts",
      [](const Value& value, ListenerSettings& listener) {
        ReadMap(value, ListenerTimeoutFields(), listener);
      },
      [](const ListenerSettings& listener) { return ShowMap(ListenerTimeoutFields(), listener); },
      ShapeOf(ListenerTimeoutFields())};
}

const Fields<ListenerSettings>& ListenerFields() {
  using L = ListenerSettings;
  static const Fields<L> fields{
      TextField("address", &L::address, CheckAddress, Shape::Kind::kAddress),
      TextField("pool", &L::pool, CheckName, Shape::Kind::kName),
      ChoiceField("direction", &L::direction, {"inbound", "outbound"}),
      ChoiceField("underscores", &L::underscores, {"pass", "reject"}),
      ListenerTimeoutsField(),
  };
  return fields;
}

// A list replaces the one before: --listen those of the file.
void ReadListeners(const Value& value, ProxySettings& proxy) {
  proxy.listeners.clear();
  value.ForgetPlacesBelow();
  value.ForEachElement([&proxy](const Value& element) {
    ListenerSettings listener;
    ReadMap(element, ListenerFields(), listener);
    proxy.listeners.push_back(std::move(listener));
  });
}

// ---- the rest ----

void ReadWorkers(const Value& value, ProxySettings& proxy) {
  const auto text = value.Text();
  if (!text) return;
  if (*text == "auto") {
    proxy.workers = kAutoWorkers;
    return;
  }
  const std::optional<std::uint64_t> number = ParseNumber(*text);
  if (!number || *number < 1 || *number > kMaxWorkers) {
    return value.Fail(
        absl::StrCat(Quoted(*text), " is neither 'auto' nor a number from 1 to ", kMaxWorkers));
  }
  proxy.workers = static_cast<std::uint32_t>(*number);
}

ShownValue ShowWorkers(const ProxySettings& proxy) {
  if (proxy.workers == kAutoWorkers) return ShownText("auto");
  return ShownLiteral(std::to_string(proxy.workers));
}

// What stands at the root and is a setting of the data plane.
const Fields<ProxySettings>& ProxyFields() {
  using P = ProxySettings;
  static const Fields<P> fields{
      {"workers",
       ReadWorkers,
       ShowWorkers,
       {.kind = Shape::Kind::kWorkers, .least = 1, .most = kMaxWorkers}},
      ListField("listeners", &P::listeners, ListenerFields, ReadListeners),
  };
  return fields;
}

const Fields<ProxySettings>& ProxyLimitFields() {
  static const Fields<ProxySettings> fields{
      NumberField("connections", &ProxySettings::max_connections, 0, kMaxConnections)};
  return fields;
}

const Fields<ControlSettings>& ControlFields() {
  static const Fields<ControlSettings> fields{
      TextField("address", &ControlSettings::address, CheckControlAddress,
                Shape::Kind::kControlAddress),
      BoolField("insecure", &ControlSettings::insecure),
  };
  return fields;
}

const Fields<AdminSettings>& AdminFields() {
  static const Fields<AdminSettings> fields{
      TextField("address", &AdminSettings::address, CheckAddress, Shape::Kind::kAddress),
      BoolField("allow_mutations", &AdminSettings::allow_mutations),
  };
  return fields;
}

const Fields<proxy::AccessLogSettings>& AccessLogFields() {
  using A = proxy::AccessLogSettings;
  static const Fields<A> fields{
      BoolField("enabled", &A::enabled),
      FractionField("sample", &A::sample),
      TextField("path", &A::path, CheckFile),
  };
  return fields;
}

const Fields<LogSettings>& LogFields() {
  static const Fields<LogSettings> fields{
      ChoiceField("level", &LogSettings::level, {"debug", "info", "warn", "error"}),
      ChoiceField("format", &LogSettings::format, {"auto", "text", "json"}),
      MapField("access", &LogSettings::access, AccessLogFields),
  };
  return fields;
}

const Fields<ShutdownSettings>& ShutdownFields() {
  using S = ShutdownSettings;
  static const Fields<S> fields{
      DurationField("delay", &S::delay, milliseconds(0), hours(1)),
      DurationField("deadline", &S::deadline, milliseconds(0), hours(24)),
  };
  return fields;
}

const Fields<ProxySettings>& ProxyLimitsFields() {
  static const Fields<ProxySettings> fields{
      {"limits",
       [](const Value& value, ProxySettings& proxy) { ReadMap(value, ProxyLimitFields(), proxy); },
       [](const ProxySettings& proxy) { return ShowMap(ProxyLimitFields(), proxy); },
       ShapeOf(ProxyLimitFields())}};
  return fields;
}

// The root, but for the pools.
const Fields<Config>& ConfigFields() {
  static const Fields<Config> fields{
      PartField(ProxyFields()[0], &Config::proxy),
      PartField(ProxyFields()[1], &Config::proxy),
      ServersField(&Config::servers),
      PartField(ProxyLimitsFields()[0], &Config::proxy),
      MapField("control", &Config::control, ControlFields),
      MapField("admin", &Config::admin, AdminFields),
      MapField("log", &Config::log, LogFields),
      MapField("shutdown", &Config::shutdown, ShutdownFields),
  };
  return fields;
}

}  // namespace

const Fields<Document>& RootFields() {
  static const Fields<Document> fields = [] {
    Fields<Document> all;
    for (const Field<Config>& field : ConfigFields()) {
      if (field.key == "servers") {
        all.push_back(ListField("pools", &Document::pools, PoolFields, ReadPools));
      }
      all.push_back(PartField(field, &Document::config));
    }
    return all;
  }();
  return fields;
}

}  // namespace remora::server
