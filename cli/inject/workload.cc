#include "cli/inject/workload.h"

#include <array>
#include <utility>

namespace remora::cli::inject {
namespace {

using enum YamlNode::Kind;

struct KnownKind {
  std::string_view kind;
  std::string_view group;  // with its slash; empty for the core
  std::vector<std::string_view> path;
};

std::unexpected<Failure> Unusable(const Source& source, const YamlNode& node, std::string what,
                                  std::string hint) {
  return std::unexpected(Failure{
      .exit = ExitCode::kUsage,
      .message = "a workload is not as it must be; nothing was written:",
      .violations = {{.field = source.PlaceOf(node.offset), .description = std::move(what)}},
      .hint = std::move(hint)});
}

// Finds the workload of an object on its way down to the pod spec.
class Descent {
 public:
  Descent(const YamlDocument& document, const Source& source, Workload& workload)
      : document_(document), source_(source), workload_(workload) {}

  Outcome Go(const YamlNode& object, const std::vector<std::string_view>& path) {
    const YamlNode* node = &object;
    std::string walked;
    for (const std::string_view key : path) {
      walked += std::string(walked.empty() ? "" : ".") + std::string(key);
      const auto entry = Step(*node, key, walked);
      if (!entry) return std::unexpected(entry.error());
      node = &(*entry)->value;
    }
    workload_.pod = node;
    const auto spec = Step(*node, "spec", walked + (walked.empty() ? "spec" : ".spec"));
    if (!spec) return std::unexpected(spec.error());
    workload_.spec = *spec;
    Note((*spec)->value);
    const YamlNode* containers = workload_.Find("containers");
    if (containers == nullptr || containers->kind != kSequence || containers->items.empty()) {
      return Unusable(source_, (*spec)->key, workload_.name + " has no containers",
                      "`kubectl apply --dry-run=server -f` says what else it lacks");
    }
    return {};
  }

  void Note(const YamlNode& node) {
    if (document_.IsShared(node)) {
      workload_.shared = "an alias elsewhere stands for what begins at " +
                         source_.PlaceOf(node.offset) + ", and would change with it";
    }
  }

 private:
  Reply<const YamlEntry*> Step(const YamlNode& map, std::string_view key,
                               const std::string& walked) {
    Note(map);
    const YamlEntry* entry = FindEntry(map, key);
    if (entry != nullptr && entry->value.kind == kMap) return entry;
    if (document_.Find(map, key) == nullptr || (entry != nullptr && entry->value.kind != kAlias)) {
      return Unusable(source_, entry == nullptr ? map : entry->key,
                      workload_.name + " has no map " + walked,
                      "`kubectl explain " + workload_.kind + "` shows its form");
    }
    return Unusable(source_, entry == nullptr ? map : entry->key,
                    workload_.name + " takes " + walked + " from an anchor",
                    "write it out, so that it can be changed for this workload alone");
  }

  const YamlDocument& document_;
  const Source& source_;
  Workload& workload_;
};

class Finder {
 public:
  explicit Finder(const Source& source) : source_(source) {}

  Outcome Visit(const YamlDocument& document, const YamlNode& object) {
    if (object.kind != kMap) return {};
    const std::string_view kind = document.FindText(object, "kind");
    const std::string_view version = document.FindText(object, "apiVersion");
    if (kind == "List" && version == "v1") return VisitItems(document, object);
    const std::vector<std::string_view>* path = PathToPod(kind, version);
    if (path == nullptr) return {};
    const YamlNode* metadata = document.Find(object, "metadata");
    std::string_view name = "?";
    if (metadata != nullptr) {
      for (const std::string_view key : {"generateName", "name"}) {
        if (!document.FindText(*metadata, key).empty()) name = document.FindText(*metadata, key);
      }
    }
    Workload workload{.kind = std::string(kind),
                      .name = std::string(kind) + "/" + std::string(name),
                      .document = &document,
                      .object = &object};
    if (auto gone = Descent(document, source_, workload).Go(object, *path); !gone) return gone;
    if (in_shared_list_) workload.shared = "its List has an anchor that an alias stands for";
    found_.push_back(std::move(workload));
    return {};
  }

  std::vector<Workload> Take() { return std::move(found_); }

 private:
  Outcome VisitItems(const YamlDocument& document, const YamlNode& list) {
    const YamlEntry* items = FindEntry(list, "items");
    if (items == nullptr) return {};
    in_shared_list_ = document.IsShared(list) || document.IsShared(items->value);
    for (const YamlNode& item : items->value.items) {
      if (item.kind == kAlias) {
        return Unusable(source_, item, "an item of a List is an alias",
                        "write it out, so that it can be changed alone");
      }
      if (auto visited = Visit(document, item); !visited) return visited;
    }
    in_shared_list_ = false;
    return {};
  }

  const Source& source_;
  std::vector<Workload> found_;
  bool in_shared_list_ = false;
};

}  // namespace

const std::vector<std::string_view>* PathToPod(std::string_view kind,
                                               std::string_view api_version) {
  static const std::array<KnownKind, 6> kKinds = {{
      {"Pod", "", {}},
      {"Deployment", "apps/", {"spec", "template"}},
      {"StatefulSet", "apps/", {"spec", "template"}},
      {"DaemonSet", "apps/", {"spec", "template"}},
      {"Job", "batch/", {"spec", "template"}},
      {"CronJob", "batch/", {"spec", "jobTemplate", "spec", "template"}},
  }};
  for (const KnownKind& known : kKinds) {
    const bool in_group =
        known.group.empty() ? api_version == "v1" : api_version.starts_with(known.group);
    if (known.kind == kind && in_group) return &known.path;
  }
  return nullptr;
}

Reply<std::vector<Workload>> FindWorkloads(const std::vector<YamlDocument>& documents,
                                           const Source& source) {
  Finder finder(source);
  for (const YamlDocument& document : documents) {
    if (auto visited = finder.Visit(document, document.root()); !visited) {
      return std::unexpected(std::move(visited.error()));
    }
  }
  return finder.Take();
}

}  // namespace remora::cli::inject
