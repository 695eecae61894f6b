#include "cli/inject/options.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/inject/sidecar.h"

namespace remora::cli::inject {
namespace {

using enum YamlNode::Kind;

constexpr std::string_view kPrefix = "remora.dev/";
constexpr std::string_view kNone = "none";

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// A name as Kubernetes has it: one label, or several with dots between them.
bool IsName(std::string_view text, std::size_t most, bool dots) {
  if (text.empty() || text.size() > most) return false;
  char before = '.';
  for (const char c : text) {
    if (c == '.' && (!dots || !IsLowerOrDigit(before))) return false;
    if (c == '-' && before == '.') return false;
    if (!IsLowerOrDigit(c) && c != '-' && c != '.') return false;
    before = c;
  }
  return IsLowerOrDigit(before);
}

std::string OneOf(const std::string& value, std::string_view a, std::string_view b) {
  if (value == a || value == b) return {};
  return "'" + value + "' must be \"" + std::string(a) + "\" or \"" + std::string(b) + "\"";
}

std::string CheckInject(const std::string& value) { return OneOf(value, "enabled", "disabled"); }
std::string CheckDirection(const std::string& value) { return OneOf(value, "outbound", "inbound"); }

std::string CheckConfig(const std::string& value) {
  if (IsName(value, 253, /*dots=*/true)) return {};
  return "'" + value + "' is not the name of a ConfigMap";
}

std::string CheckImage(const std::string& value) {
  const bool good =
      !value.empty() && !value.starts_with('-') && std::ranges::all_of(value, [](char c) {
        return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') ||
               std::string_view("./:@_-").contains(c);
      });
  return good ? std::string() : "'" + value + "' is not the name of an image";
}

std::string CheckDiscover(const std::string& value) {
  const std::size_t slash = value.find('/');
  const std::size_t service = slash == std::string::npos ? 0 : slash + 1;
  const std::size_t colon = std::min(value.find(':', service), value.size());
  const bool good = (service == 0 || IsName(value.substr(0, slash), 63, false)) &&
                    IsName(value.substr(service, colon - service), 63, false) &&
                    (colon == value.size() || IsName(value.substr(colon + 1), 63, false));
  return good
             ? std::string()
             : "'" + value + "' is not a Service: write service, namespace/service or service:port";
}

// 100m, 0.5, 64Mi: how many, nullopt for what is none.
std::optional<double> Quantity(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || text.starts_with('-')) return std::nullopt;
  const std::string_view suffix(end, text.data() + text.size());
  constexpr std::pair<std::string_view, double> kSuffixes[] = {{"", 1},
                                                               {"m", 1e-3},
                                                               {"k", 1e3},
                                                               {"M", 1e6},
                                                               {"G", 1e9},
                                                               {"T", 1e12},
                                                               {"Ki", 1024.0},
                                                               {"Mi", 1048576.0},
                                                               {"Gi", 1073741824.0},
                                                               {"Ti", 1099511627776.0}};
  const auto found =
      std::ranges::find(kSuffixes, suffix, &std::pair<std::string_view, double>::first);
  if (found == std::end(kSuffixes)) return std::nullopt;
  return number * found->second;
}

std::string CheckQuantity(const std::string& value) {
  const auto quantity = Quantity(value);
  if (value == kNone || (quantity && *quantity > 0)) return {};
  return "'" + value + "' is not a quantity: write for example 100m, 64Mi, or none";
}

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, diagonal + 1, change});
    }
  }
  return row.back();
}

std::string UnknownName(std::string_view name) {
  std::string names;
  std::string_view nearest;
  std::size_t least = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const OptionRule& rule : OptionRules()) {
    names += (names.empty() ? "" : ", ") + std::string(rule.name);
    const std::size_t distance = EditDistance(name.substr(0, 64), rule.name);
    if (distance < least) {
      least = distance;
      nearest = rule.name;
    }
  }
  const std::string unknown = "unknown annotation " + std::string(kPrefix) + std::string(name);
  if (nearest.empty()) return unknown + "; there are " + names;
  return unknown + "; did you mean " + std::string(kPrefix) + std::string(nearest) + "?";
}

class AnnotationReader {
 public:
  AnnotationReader(const Workload& workload, const Source& source)
      : workload_(workload), source_(source) {}

  void Read(SidecarOptions& options) {
    ForEach(*workload_.pod, [&](const YamlEntry& entry, std::string_view name) {
      const auto& rules = OptionRules();
      const auto rule = std::ranges::find(rules, name, &OptionRule::name);
      if (rule == rules.end()) return Fault(entry.key, UnknownName(name));
      const YamlNode& value = workload_.document->Resolve(entry.value);
      const bool is_text = value.kind == kScalar && (value.quoted || !LooksTyped(value.value));
      std::string problem =
          is_text ? rule->check(value.value) : "an annotation is a text: put its value in quotes";
      if (!problem.empty()) return Fault(entry.key, entry.key.value + ": " + problem);
      options.*rule->field = value.value;
    });
    if (workload_.pod == workload_.object) return;
    ForEach(*workload_.object, [&](const YamlEntry& entry, std::string_view /*name*/) {
      Fault(entry.key, entry.key.value + " has no effect here: move it to the annotations of the " +
                           "pod template, spec." +
                           (workload_.kind == "CronJob" ? "jobTemplate.spec." : "") +
                           "template.metadata.annotations");
    });
  }

  void Fault(const YamlNode& node, std::string what) {
    faults_.push_back({.field = source_.PlaceOf(node.offset), .description = std::move(what)});
  }
  std::vector<FieldViolation> TakeFaults() { return std::move(faults_); }

 private:
  // Each of ours in the annotations of `object`, with the name behind the prefix.
  template <class Use>
  void ForEach(const YamlNode& object, const Use& use) {
    const YamlNode* metadata = workload_.document->Find(object, "metadata");
    const YamlNode* annotations =
        metadata == nullptr ? nullptr : workload_.document->Find(*metadata, "annotations");
    if (annotations == nullptr) return;
    for (const YamlEntry& entry : annotations->entries) {
      const std::string_view key = entry.key.value;
      if (key.starts_with(kPrefix)) use(entry, key.substr(kPrefix.size()));
    }
  }

  const Workload& workload_;
  const Source& source_;
  std::vector<FieldViolation> faults_;
};

// What can't be true together.
std::string Contradiction(const SidecarOptions& options) {
  if (options.is_inbound() && options.config.empty()) {
    return "direction inbound needs config: the name of a ConfigMap whose config.yaml has a "
           "listener with `direction: inbound`, and the application as its server";
  }
  const auto exceeds = [](const std::string& request, const std::string& limit) {
    return request != kNone && limit != kNone && *Quantity(request) > *Quantity(limit);
  };
  if (exceeds(options.cpu_request, options.cpu_limit)) {
    return "cpu-request " + options.cpu_request + " is more than cpu-limit " + options.cpu_limit;
  }
  if (exceeds(options.memory_request, options.memory_limit)) {
    return "memory-request " + options.memory_request + " is more than memory-limit " +
           options.memory_limit;
  }
  return {};
}

}  // namespace

const std::array<OptionRule, kOptionCount>& OptionRules() {
  static constexpr std::array<OptionRule, kOptionCount> kRules = {{
      {"inject", &SidecarOptions::inject, CheckInject},
      {"direction", &SidecarOptions::direction, CheckDirection},
      {"config", &SidecarOptions::config, CheckConfig},
      {"image", &SidecarOptions::image, CheckImage},
      {"discover", &SidecarOptions::discover, CheckDiscover},
      {"cpu-request", &SidecarOptions::cpu_request, CheckQuantity},
      {"cpu-limit", &SidecarOptions::cpu_limit, CheckQuantity},
      {"memory-request", &SidecarOptions::memory_request, CheckQuantity},
      {"memory-limit", &SidecarOptions::memory_limit, CheckQuantity},
  }};
  return kRules;
}

Reply<SidecarOptions> ReadOptions(const Workload& workload, const SidecarOptions& flags,
                                  const Source& source) {
  SidecarOptions options = DefaultOptions();
  AnnotationReader reader(workload, source);
  reader.Read(options);
  for (const OptionRule& rule : OptionRules()) {
    if (!(flags.*rule.field).empty()) options.*rule.field = flags.*rule.field;
  }
  if (std::string problem = Contradiction(options); !problem.empty()) {
    reader.Fault(workload.spec->key, std::move(problem));
  }
  if (auto faults = reader.TakeFaults(); !faults.empty()) {
    return std::unexpected(Failure{.exit = ExitCode::kUsage,
                                   .message = "the options of " + workload.name +
                                              " are not as they must be; " + "nothing was written:",
                                   .violations = std::move(faults),
                                   .hint = "`remoractl inject --help` names them all"});
  }
  return options;
}

}  // namespace remora::cli::inject
