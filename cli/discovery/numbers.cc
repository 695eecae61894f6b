#include "cli/discovery/numbers.h"

#include <array>
#include <cstdio>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "cli/version.h"

namespace remora::cli::discovery {
namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

std::string Escaped(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\\' || c == '"') escaped += '\\';
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

class Text {
 public:
  void Begin(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "remora_discovery_" + std::string(name);
    text_ += "# HELP " + name_ + " " + std::string(help) + "\n";
    text_ += "# TYPE " + name_ + " " + std::string(type) + "\n";
  }
  void Sample(Labels labels, std::uint64_t value) { Line(labels, std::to_string(value)); }
  void Sample(Labels labels, double value) {
    std::array<char, 32> number{};
    std::snprintf(number.data(), number.size(), "%.3f", value);
    Line(labels, number.data());
  }
  std::string Take() { return std::move(text_); }

 private:
  void Line(Labels labels, const std::string& value) {
    std::string list;
    for (const auto& [key, text] : labels) {
      list += (list.empty() ? "" : ",") + std::string(key) + "=\"" + Escaped(text) + "\"";
    }
    text_ += name_ + (list.empty() ? "" : "{" + list + "}") + " " + value + "\n";
  }

  std::string name_;
  std::string text_;
};

void WriteSources(const std::vector<SourceNumbers>& sources, Text& text) {
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        auto&& value) {
    text.Begin(name, type, help);
    for (const SourceNumbers& source : sources) {
      text.Sample({{"source", source.name}}, std::uint64_t{value(source)});
    }
  };
  each("source_up", "gauge", "1 while the source can tell what there is.",
       [](const SourceNumbers& source) { return source.up ? 1U : 0U; });
  each("endpoints", "gauge", "Servers that the source named last.",
       [](const SourceNumbers& source) { return source.endpoints; });
  each("source_failures_total", "counter", "Times that the source could not tell.",
       [](const SourceNumbers& source) { return source.failures; });
  each("relists_total", "counter", "Times that a source that is watched was read anew.",
       [](const SourceNumbers& source) { return source.relists; });
}

}  // namespace

std::string MetricsText(const Numbers& numbers) {
  const Reconciler::Status& status = numbers.status;
  Text text;
  text.Begin("info", "gauge", "What runs.");
  text.Sample({{"name", numbers.name}, {"version", ClientVersion()}}, std::uint64_t{1});
  WriteSources(numbers.sources, text);
  text.Begin("sidecar_up", "gauge", "1 while the sidecar answers.");
  text.Sample({}, std::uint64_t{status.sidecar_up});
  text.Begin("in_sync", "gauge", "1 while the sidecar has what the sources say.");
  text.Sample({}, std::uint64_t{status.in_sync});
  text.Begin("servers", "gauge", "Servers of ours that the sidecar has.");
  text.Sample({}, std::uint64_t{status.present});
  text.Begin("held", "gauge", "Servers that are gone but kept, as too many went at once.");
  text.Sample({}, std::uint64_t{status.held});
  text.Begin("conflicts", "gauge", "Servers whose id another owner has.");
  text.Sample({}, std::uint64_t{status.conflicts.size()});
  text.Begin("syncs_total", "counter",
             "Calls of ReplaceServers that succeeded, and calls that failed.");
  text.Sample({{"result", "ok"}}, numbers.syncs);
  text.Sample({{"result", "failed"}}, numbers.failed_calls);
  text.Begin("changes_total", "counter", "Servers added, changed and removed.");
  text.Sample({{"kind", "added"}}, numbers.added);
  text.Sample({{"kind", "changed"}}, numbers.changed);
  text.Sample({{"kind", "removed"}}, numbers.removed);
  text.Begin("last_sync_timestamp_seconds", "gauge",
             "When the sidecar was last seen to have what the sources say.");
  text.Sample({}, numbers.last_sync_s);
  return text.Take();
}

bool IsReady(const Numbers& numbers) { return numbers.status.probed_once; }

std::string ReadyText(const Numbers& numbers) {
  std::string text;
  for (const SourceNumbers& source : numbers.sources) {
    // Away, but it has told before: that counts on.
    text += source.up ? "[+]" : source.known ? "[!]" : "[-]";
    text += "source " + source.name;
    if (!source.up) text += ": " + (source.cause.empty() ? "no answer yet" : source.cause);
    text += "\n";
  }
  const Reconciler::Status& status = numbers.status;
  text += status.sidecar_up ? "[+]sidecar" : status.synced_once ? "[!]sidecar" : "[-]sidecar";
  if (!status.sidecar_up) {
    text += ": " + (numbers.sidecar_cause.empty() ? "no answer yet" : numbers.sidecar_cause);
  }
  text += "\n";
  if (status.synced_once && !status.probed_once) {
    text += "[-]first probes: " + std::to_string(status.unprobed) + " servers wait for theirs\n";
  }
  if (status.held != 0) {
    text += "[!]guard: " + std::to_string(status.held) + " servers are kept that are gone\n";
  }
  return text + (IsReady(numbers) ? "ready\n" : "not ready\n");
}

}  // namespace remora::cli::discovery
