#include "server/config/print.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proxy/base/abseil.h"
#include "proxy/base/log.h"
#include "server/config/json.h"
#include "server/config/schema.h"

namespace remora::server {
namespace {

using Kind = ShownValue::Kind;

constexpr std::string_view kDefault = "default";

bool IsScalar(const ShownValue& value) {
  return value.kind == Kind::kText || value.kind == Kind::kLiteral;
}

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "5s", "64KiB": no number in YAML, as it ends with a unit.
bool IsAmount(std::string_view text) {
  const std::size_t unit = text.find_first_not_of("0123456789");
  if (unit == 0 || unit == std::string_view::npos) return false;
  constexpr std::string_view kUnits[] = {"ms", "s", "m", "h", "KiB", "MiB", "GiB"};
  return std::ranges::find(kUnits, text.substr(unit)) != std::end(kUnits);
}

// Whatever YAML could take for something else than a text is quoted.
std::string YamlText(const std::string& text) {
  static const std::set<std::string_view> kWords{"true", "false", "yes", "no",  "on",
                                                 "off",  "y",     "n",   "null"};
  const bool plain = !text.empty() && (IsLetter(text.front()) || text.front() == '/') &&
                     text.back() != ':' && std::ranges::all_of(text, [](char c) {
                       return IsLetter(c) || IsDigit(c) || std::string_view("-_./:").contains(c);
                     });
  std::string lower = text;
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (IsAmount(text) || (plain && !kWords.contains(lower))) return text;
  return "\"" + log::JsonEscape(text) + "\"";
}

class Printer {
 public:
  explicit Printer(const Config& config) : config_(config) {}

  std::string Yaml(const ShownValue& root) {
    AppendMap(root, "", "", "");
    return std::move(yaml_);
  }

  std::string OriginOf(const ShownValue& value, const std::string& path) const {
    if (!value.origin.empty()) return value.origin;
    const auto found = config_.origins.find(path);
    return found == config_.origins.end() ? std::string(kDefault) : found->second;
  }

 private:
  // `first`: what the first line starts with instead of `indent`.
  void AppendMap(const ShownValue& map, const std::string& first, const std::string& indent,
                 const std::string& path) {
    std::string start = first;
    for (const auto& [key, entry] : map.entries) {
      absl::StrAppend(&yaml_, start, YamlText(key), ":");
      AppendEntry(entry, indent, path.empty() ? key : absl::StrCat(path, ".", key));
      start = indent;
    }
  }

  void AppendEntry(const ShownValue& entry, const std::string& indent, const std::string& path) {
    if (IsScalar(entry)) {
      absl::StrAppend(&yaml_, " ", entry.kind == Kind::kText ? YamlText(entry.text) : entry.text,
                      "  # ", absl::CHexEscape(OriginOf(entry, path)), "\n");
      return;
    }
    if (entry.entries.empty() && entry.elements.empty()) {
      absl::StrAppend(&yaml_, entry.kind == Kind::kMap ? " {}\n" : " []\n");
      return;
    }
    yaml_ += "\n";
    const std::string deeper = indent + "  ";
    if (entry.kind == Kind::kMap) return AppendMap(entry, deeper, deeper, path);
    for (std::size_t i = 0; i < entry.elements.size(); ++i) {
      AppendMap(entry.elements[i], deeper + "- ", deeper + "  ", absl::StrCat(path, "[", i, "]"));
    }
  }

  const Config& config_;
  std::string yaml_;
};

// What an element of a list is called by people.
std::string NameOf(const ShownValue& element, std::size_t index) {
  for (const auto& [key, entry] : element.entries) {
    if (key == "name" || key == "address") return entry.text;
  }
  return std::to_string(index);
}

using Visit = std::function<void(const std::string& path, const ShownValue& scalar)>;

void ForEachScalar(const ShownValue& value, const std::string& path, bool names,
                   const Visit& visit) {
  if (IsScalar(value)) return visit(path, value);
  for (const auto& [key, entry] : value.entries) {
    ForEachScalar(entry, path.empty() ? key : absl::StrCat(path, ".", key), names, visit);
  }
  for (std::size_t i = 0; i < value.elements.size(); ++i) {
    const ShownValue& element = value.elements[i];
    const std::string index = names ? NameOf(element, i) : std::to_string(i);
    ForEachScalar(element, absl::StrCat(path, "[", index, "]"), names, visit);
  }
}

}  // namespace

ShownValue ShowConfig(const Config& config) {
  Document document;
  document.config = config;
  document.config.servers.clear();
  for (const proxy::PoolSettings& settings : config.proxy.pools) {
    PoolEntry pool{.settings = settings, .servers = {}, .path = {}};
    std::ranges::copy_if(
        config.servers, std::back_inserter(pool.servers),
        [&settings](const ListedServer& server) { return server.pool == settings.name; });
    document.pools.push_back(std::move(pool));
  }
  ShownValue shown = ShowMap(RootFields(), document);
  std::erase_if(shown.entries, [](const auto& entry) { return entry.key == "servers"; });
  return shown;
}

std::string RenderConfigYaml(const Config& config) {
  return Printer(config).Yaml(ShowConfig(config));
}

std::string RenderConfigJson(const Config& config) {
  const Printer printer(config);
  ShownValue root{.kind = Kind::kMap};
  root.entries.emplace_back("file", ShownText(config.file));
  ShownValue shown = ShowConfig(config);
  ShownValue origins{.kind = Kind::kMap};
  ForEachScalar(shown, "", /*names=*/false, [&](const std::string& path, const ShownValue& scalar) {
    std::string origin = printer.OriginOf(scalar, path);
    if (origin == kDefault) return;
    origins.entries.emplace_back(path, ShownText(std::move(origin)));
  });
  root.entries.emplace_back("config", std::move(shown));
  root.entries.emplace_back("origins", std::move(origins));
  return RenderJson(root) + "\n";
}

std::map<std::string, std::string> SettingsByPath(const Config& config) {
  Config without = config;
  without.servers.clear();
  std::map<std::string, std::string> settings;
  ForEachScalar(ShowConfig(without), "", /*names=*/true,
                [&settings](const std::string& path, const ShownValue& scalar) {
                  settings.emplace(path, scalar.text);
                });
  return settings;
}

}  // namespace remora::server
