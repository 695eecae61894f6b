#include "server/config/parse.h"

#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "proxy/base/abseil.h"
#include "proxy/registry/backend_url.h"
#include "server/config/schema.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kDefaultPool = "default";
constexpr const char* kGraceVariable = "TERMINATION_GRACE_PERIOD_SECONDS";
// Of it, for what comes before and after the shutdown: the process ends by itself, and is not
// killed.
constexpr seconds kGraceKept{2};
constexpr std::uint64_t kMaxGraceSeconds = 24 * 3600;

// std::ranges::contains is not in libstdc++ 12.
template <class Range, class Word, class Projection = std::identity>
bool Contains(const Range& range, const Word& word, Projection projection = {}) {
  return std::ranges::find(range, word, projection) != std::ranges::end(range);
}

Config DemoConfig() {
  Config config;
  config.demo = true;
  config.proxy.listeners.push_back({.address = "127.0.0.1:3000"});
  config.control = {.address = "127.0.0.1:3001", .insecure = true};
  config.admin = {.address = "127.0.0.1:3002",
                  .allow_mutations = true};  // so that the page can be tried
  return config;
}

void ReadFile(Reading& reading, const std::string& text, const std::string& name,
              Document& document) {
  std::vector<YAML::Node> nodes;
  try {
    nodes = YAML::LoadAll(text);
  } catch (const YAML::Exception& error) {
    reading.Fail(absl::StrCat(name, ":", error.mark.line + 1, ":", error.mark.column + 1), "",
                 "not YAML: " + error.msg);
    return;
  }
  if (nodes.empty()) return;
  if (nodes.size() > 1) {
    reading.Fail(absl::StrCat(name, ":", nodes[1].Mark().line + 1, ":1"), "",
                 "a second YAML document; a configuration is one");
    return;
  }
  ReadMap(Value(reading, nodes[0], name, /*has_lines=*/true), RootFields(), document);
}

// An override as the document that would say the same.
YAML::Node ToNode(const Override& setting) {
  YAML::Node root;
  if (setting.path == "listeners") {
    for (const std::string& address : setting.values) {
      YAML::Node listener;
      listener["address"] = address;
      root["listeners"].push_back(listener);
    }
    return root;
  }
  if (setting.path == "servers") {
    for (const std::string& url : setting.values) root["servers"].push_back(url);
    return root;
  }
  // From the inside out: "log.access.path" is the value in `path` in `access` in `log`.
  const std::vector<std::string> keys = absl::StrSplit(setting.path, '.');
  YAML::Node value(setting.values.front());
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    YAML::Node outer;
    outer[*key] = value;
    value.reset(outer);
  }
  return value;
}

// ---- rules that look at more than one value ----

// --listen and REMORA_LISTEN name no pool: `default` is meant where there is one, else the only one
// of the file. (The pools of the demo are made later.)
void ChoosePoolOfListeners(Reading& reading, const ConfigSources& sources, Document& document) {
  const auto is_list = [](const Override& setting) { return setting.path == "listeners"; };
  const auto last =
      std::ranges::find_if(sources.overrides.rbegin(), sources.overrides.rend(), is_list);
  Config& config = document.config;
  if (last == sources.overrides.rend() || sources.demo || document.pools.empty()) return;
  std::vector<std::string> names;
  for (const PoolEntry& pool : document.pools) names.push_back(pool.settings.name);
  if (Contains(names, kDefaultPool) ||
      Contains(config.servers, kDefaultPool, &ListedServer::pool)) {
    return;
  }
  if (names.size() > 1) {
    return reading.Fail(
        last->source, "",
        absl::StrCat("the file has several pools (", absl::StrJoin(names, ", "),
                     ") and none is 'default', so it is open which one is meant; write `listeners` "
                     "with their `pool` into the file instead"));
  }
  for (std::size_t i = 0; i < config.proxy.listeners.size(); ++i) {
    config.proxy.listeners[i].pool = names.front();
    reading.places[absl::StrCat("listeners[", i, "].pool")] = "the only pool";
  }
}

// The pools there are, with `default` added where something uses it unnamed.
void PutPoolsTogether(Reading& reading, Document& document) {
  Config& config = document.config;
  std::map<std::string, std::string> first_of;  // name -> path
  for (PoolEntry& pool : document.pools) {
    const auto [first, fresh] = first_of.emplace(pool.settings.name, pool.path);
    if (!fresh) {
      const std::string path = pool.path + ".name";
      reading.Fail(
          reading.PlaceOf(path, reading.PlaceOf(pool.path, config.file)), path,
          absl::StrCat("'", pool.settings.name, "' is the name of ", first->second, " already"));
      continue;
    }
    config.proxy.pools.push_back(std::move(pool.settings));
    std::ranges::move(pool.servers, std::back_inserter(config.servers));
  }
  if (config.proxy.listeners.empty()) config.proxy.listeners.emplace_back();
  const bool used = config.proxy.pools.empty() ||
                    Contains(config.servers, kDefaultPool, &ListedServer::pool) ||
                    Contains(config.proxy.listeners, kDefaultPool, &proxy::ListenerSettings::pool);
  if (used && !Contains(config.proxy.pools, kDefaultPool, &proxy::PoolSettings::name)) {
    config.proxy.pools.emplace_back();
  }
}

void CheckListeners(Reading& reading, Config& config) {
  std::vector<std::string_view> names;
  for (const proxy::PoolSettings& pool : config.proxy.pools) names.push_back(pool.name);
  std::set<std::string> addresses;
  std::set<std::string> used;
  for (std::size_t i = 0; i < config.proxy.listeners.size(); ++i) {
    const proxy::ListenerSettings& listener = config.proxy.listeners[i];
    const std::string path = absl::StrCat("listeners[", i, "]");
    if (!Contains(names, listener.pool)) {
      const std::string_view nearest = Nearest(listener.pool, names);
      std::string there;
      for (const std::string_view name : names) absl::StrAppend(&there, " ", ToAbsl(name));
      reading.Fail(
          reading.PlaceOf(path + ".pool", config.file), path + ".pool",
          absl::StrCat("no pool '", listener.pool, "'",
                       nearest.empty() ? absl::StrCat("; there are:", there)
                                       : absl::StrCat("; did you mean '", ToAbsl(nearest), "'?")));
    }
    used.insert(listener.pool);
    if (!listener.address.ends_with(":0") && !addresses.insert(listener.address).second) {
      reading.Fail(reading.PlaceOf(path + ".address", config.file), path + ".address",
                   absl::StrCat("'", listener.address, "' is the address of another listener"));
    }
  }
  for (const std::string_view name : names) {
    if (used.contains(std::string(name))) continue;
    config.warnings.push_back(
        absl::StrCat("no listener uses pool '", ToAbsl(name), "': its servers get no traffic"));
  }
}

// The registry would take the second of two equal ones for the first; in a file it is a slip.
void CheckServers(Reading& reading, const Config& config) {
  std::map<std::pair<std::string, std::string>, std::string> first_of;
  for (const ListedServer& server : config.servers) {
    const auto url = proxy::ParseBackendUrl(server.spec.url);
    if (!url.ok()) continue;  // reported where it was read
    const std::string id = server.id.empty() ? proxy::DeriveId(*url) : server.id;
    const auto [first, fresh] = first_of.emplace(std::pair(server.pool, id), server.where);
    if (fresh) continue;
    reading.Fail(server.where, "",
                 absl::StrCat("the id '", id, "' is taken in pool '", server.pool, "' by ",
                              first->second, "; remove one or give it another id"));
  }
}

// The times of the shutdown that nobody set fit into the grace of the pod; those that somebody set
// stay, with a warning where the pod is killed before they are over.
void FitIntoGrace(Reading& reading, const std::string& text, Config& config) {
  const std::optional<std::uint64_t> grace = ParseNumber(text);
  if (!grace || *grace > kMaxGraceSeconds) {
    return reading.Fail(kGraceVariable, "",
                        absl::StrCat("'", absl::CHexEscape(text.substr(0, 100)),
                                     "' is not a number of seconds; set it to the pod's "
                                     "terminationGracePeriodSeconds"));
  }
  const milliseconds usable = seconds(*grace) - std::min(seconds(*grace), kGraceKept);
  ShutdownSettings& shutdown = config.shutdown;
  const auto set = [&reading](const std::string& path) { return reading.places.contains(path); };
  if (!set("shutdown.delay") && shutdown.delay > usable / 2) {
    shutdown.delay = usable / 2;
    reading.places["shutdown.delay"] = kGraceVariable;
  }
  if (!set("shutdown.deadline")) {
    shutdown.deadline = std::max(usable, shutdown.delay);
    reading.places["shutdown.deadline"] = kGraceVariable;
  }
  for (const auto& [name, time] :
       {std::pair("delay", shutdown.delay), std::pair("deadline", shutdown.deadline)}) {
    if (time <= usable) continue;
    config.warnings.push_back(absl::StrCat(
        "shutdown.", name, " is ", FormatDuration(time), ", but the pod is killed ", *grace,
        "s after its end began (", kGraceVariable, "): set it to ", FormatDuration(usable),
        " at most, or make terminationGracePeriodSeconds longer"));
  }
}

void CheckTimes(Reading& reading, const Config& config) {
  const ShutdownSettings& shutdown = config.shutdown;
  if (shutdown.delay <= shutdown.deadline) return;
  reading.Fail(reading.PlaceOf("shutdown.deadline", reading.PlaceOf("shutdown.delay", config.file)),
               "shutdown.deadline",
               absl::StrCat(FormatDuration(shutdown.deadline), " is less than shutdown.delay, ",
                            FormatDuration(shutdown.delay),
                            "; both count from the signal, so it must be at least as long"));
}

void CheckControl(Reading& reading, const Config& config) {
  const ControlSettings& control = config.control;
  if (control.address.empty() || control.address.starts_with("unix:")) return;
  if (const absl::Status status = CheckControlTcp(control.address, control.insecure);
      !status.ok()) {
    reading.Fail(reading.PlaceOf("control.address", config.file), "control.address",
                 ToStd(status.message()));
  }
}

// Who can open the admin port could change where traffic goes.
void CheckAdmin(Reading& reading, Config& config) {
  AdminSettings& admin = config.admin;
  const std::optional<IpPort> address = ParseIpPort(admin.address);
  if (!admin.allow_mutations || !address || IsLoopback(address->ip)) return;
  // There it is our default, which goes no further than the address that it is for.
  if (config.demo) {
    admin.allow_mutations = false;
    return;
  }
  reading.Fail(reading.PlaceOf("admin.allow_mutations", config.file), "admin.allow_mutations",
               absl::StrCat("true needs an admin.address on loopback, and '", admin.address,
                            "' is not; write 127.0.0.1:3002, or leave mutations to the control "
                            "API"));
}

}  // namespace

absl::StatusOr<Config> BuildConfig(const ConfigSources& sources) {
  Reading reading;
  Document document;
  if (sources.demo) {
    document.config = DemoConfig();
    for (const char* const path :
         {"listeners[0].address", "control.address", "control.insecure", "admin.address"}) {
      reading.places[path] = "--demo";
    }
  }
  if (sources.file_text) {
    document.config.file = sources.file_name;
    ReadFile(reading, *sources.file_text, sources.file_name, document);
  }
  for (const Override& setting : sources.overrides) {
    ReadMap(Value(reading, ToNode(setting), setting.source, /*has_lines=*/false), RootFields(),
            document);
  }
  ChoosePoolOfListeners(reading, sources, document);
  PutPoolsTogether(reading, document);
  CheckListeners(reading, document.config);
  CheckServers(reading, document.config);
  if (sources.grace) FitIntoGrace(reading, *sources.grace, document.config);
  CheckTimes(reading, document.config);
  CheckControl(reading, document.config);
  CheckAdmin(reading, document.config);
  if (!reading.problems.empty()) {
    return absl::InvalidArgumentError(absl::StrJoin(reading.problems, "\n"));
  }
  document.config.origins = std::move(reading.places);
  return std::move(document.config);
}

absl::StatusOr<Config> ParseConfig(std::string_view text, std::string_view file_name) {
  return BuildConfig({.demo = false,
                      .file_text = std::string(text),
                      .file_name = std::string(file_name),
                      .overrides = {}});
}

const std::vector<std::string_view>& ScalarPaths() {
  static const std::vector<std::string_view> paths{
      "workers",           "limits.connections", "control.address",
      "control.insecure",  "admin.address",      "admin.allow_mutations",
      "log.level",         "log.format",         "log.access.enabled",
      "log.access.sample", "log.access.path",    "shutdown.delay",
      "shutdown.deadline"};
  return paths;
}

}  // namespace remora::server
