#include "cli/apply/wanted.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "cli/commands/lookup.h"
#include "cli/input.h"

namespace remora::cli {
namespace {

// Reads the document and collects every fault with its place.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  std::vector<WantedServer> Read(const YAML::Node& document) {
    std::vector<WantedServer> wanted;
    if (!document.IsMap()) {
      Fault(document, "must be a map with the key 'servers'");
      return wanted;
    }
    for (const auto& entry : document) {
      if (entry.first.Scalar() == "servers") continue;
      Fault(entry.first, "unknown key '" + entry.first.Scalar() + "'; only 'servers' is known");
    }
    const YAML::Node servers = document["servers"];
    if (!servers.IsDefined()) {
      Fault(document, "has no key 'servers'; write `servers: []` for none");
    } else if (!servers.IsSequence()) {
      Fault(servers, "'servers' must be a list; write `servers: []` for none");
    } else {
      for (const YAML::Node& node : servers) {
        if (auto server = ReadServer(node)) wanted.push_back(*std::move(server));
      }
    }
    RefuseTwins(wanted);
    return wanted;
  }

  std::vector<FieldViolation> TakeFaults() { return std::move(faults_); }

 private:
  std::string Place(const YAML::Node& node) const {
    const YAML::Mark mark = node.Mark();
    // A document with nothing in it has no place of its own.
    return file_ + ":" + std::to_string(std::max(mark.line, 0) + 1) + ":" +
           std::to_string(std::max(mark.column, 0) + 1);
  }
  void Fault(const YAML::Node& node, const std::string& what) {
    faults_.push_back({.field = Place(node), .description = what});
  }

  std::optional<WantedServer> ReadServer(const YAML::Node& node) {
    WantedServer server{.where = Place(node)};
    server.spec.set_weight(1);
    const std::size_t faults = faults_.size();
    if (node.IsScalar()) {
      server.spec.set_url(node.Scalar());
    } else if (node.IsMap()) {
      for (const auto& entry : node) ReadKey(entry.first, entry.second, server);
    } else {
      Fault(node, "a server is a url, or a map with url, id, weight, max_active, labels and pool");
    }
    if (server.spec.url().empty() && faults_.size() == faults) Fault(node, "a server needs a url");
    if (faults_.size() != faults) return std::nullopt;
    return server;
  }

  void ReadKey(const YAML::Node& key, const YAML::Node& value, WantedServer& server) {
    const std::string name = key.Scalar();
    if (name == "url") {
      server.spec.set_url(Text(value, name));
    } else if (name == "id") {
      server.id = Text(value, name);
    } else if (name == "pool") {
      server.pool = Text(value, name);
    } else if (name == "weight") {
      server.spec.set_weight(Number(value, name, 1, 1000));
    } else if (name == "max_active") {
      server.spec.set_max_active(Number(value, name, 0, 1'000'000));
    } else if (name == "labels") {
      ReadLabels(value, server);
    } else {
      Fault(key, "unknown key '" + name + "'; known are url, id, weight, max_active, labels, pool");
    }
  }

  void ReadLabels(const YAML::Node& value, WantedServer& server) {
    if (!value.IsMap()) return Fault(value, "'labels' must be a map of texts");
    for (const auto& label : value) {
      if (label.first.IsScalar() && label.second.IsScalar()) {
        (*server.spec.mutable_labels())[label.first.Scalar()] = label.second.Scalar();
      } else {
        Fault(label.second, "a label is a text");
      }
    }
  }

  std::string Text(const YAML::Node& value, const std::string& name) {
    if (value.IsScalar() && !value.Scalar().empty()) return value.Scalar();
    Fault(value, "'" + name + "' must be a text that is not empty");
    return {};
  }

  std::uint32_t Number(const YAML::Node& value, const std::string& name, std::uint32_t least,
                       std::uint32_t most) {
    std::uint32_t number = 0;
    const std::string text = value.IsScalar() ? value.Scalar() : "";
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
        number < least || number > most) {
      Fault(value, "'" + name + "' must be a number from " + std::to_string(least) + " to " +
                       std::to_string(most));
      return least;
    }
    return number;
  }

  // Two entries that mean the same server: whichever came last would win silently.
  void RefuseTwins(const std::vector<WantedServer>& wanted) {
    std::map<std::pair<std::string, std::string>, std::string> seen;
    for (const WantedServer& server : wanted) {
      const std::string key = server.id.empty() ? CanonicalUrl(server.spec.url()) : server.id;
      const auto [first, added] = seen.try_emplace({server.pool, key}, server.where);
      if (added) continue;
      faults_.push_back(
          {.field = server.where,
           .description = server.pool + "/" + key + " is listed already, at " + first->second});
    }
  }

  const std::string file_;
  std::vector<FieldViolation> faults_;
};

std::unexpected<Failure> Faulty(std::vector<FieldViolation> faults) {
  return std::unexpected(Failure{.exit = ExitCode::kUsage,
                                 .message = "the file is not as it must be; nothing was changed:",
                                 .violations = std::move(faults),
                                 .hint = "`remoractl servers apply --help` shows a file"});
}

}  // namespace

Reply<std::vector<WantedServer>> ParseWanted(const std::string& text, const std::string& file) {
  Reader reader(file);
  std::vector<WantedServer> wanted;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      return Faulty(
          {{.field = file,
            .description = "has several documents; only one is allowed, apply each alone"}});
    }
    wanted = reader.Read(documents.empty() ? YAML::Node() : documents.front());
  } catch (const YAML::Exception& error) {
    const std::string place = file + ":" + std::to_string(error.mark.line + 1) + ":" +
                              std::to_string(error.mark.column + 1);
    return Faulty({{.field = place, .description = error.msg}});
  }
  if (auto faults = reader.TakeFaults(); !faults.empty()) return Faulty(std::move(faults));
  return wanted;
}

Reply<std::vector<WantedServer>> ReadWanted(const std::string& file) {
  const auto text = ReadInput(file);
  if (!text) return std::unexpected(text.error());
  return ParseWanted(*text, NameOfInput(file));
}

}  // namespace remora::cli
