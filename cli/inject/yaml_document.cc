#include "cli/inject/yaml_document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <utility>

#include "cli/inject/source.h"

namespace remora::cli::inject {
namespace {

using enum YamlNode::Kind;

constexpr int kMaxMerges = 16;  // a map can be merged into itself

std::string_view NullWordAt(std::string_view text, std::size_t offset) {
  const std::string_view rest = text.substr(std::min(offset, text.size()));
  constexpr std::array<std::string_view, 4> kWords = {"~", "null", "Null", "NULL"};
  for (const std::string_view word : kWords) {
    if (!rest.starts_with(word)) continue;
    const std::string_view behind = rest.substr(word.size());
    if (behind.empty() || std::string_view(" \t\r\n,]}").contains(behind.front())) return word;
  }
  return {};
}

// Makes a tree of the events of one document.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(std::string_view text) : text_(text) {}

  YamlNode TakeRoot() { return std::move(root_); }
  // Of a key that is a list or a map, as `{{ .Values.name }}` is to a reader of YAML.
  std::optional<std::size_t> strange_key() const { return strange_key_; }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const std::size_t offset = OffsetOf(mark);
    Add({.kind = kNull,
         .value = std::string(NullWordAt(text_, offset)),
         .anchor = anchor,
         .offset = offset});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add({.kind = kAlias, .anchor = anchor, .offset = OffsetOf(mark)});
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // "!" is what the parser makes of quotes, "?" of none.
    Add({.kind = kScalar,
         .value = value,
         .quoted = tag == "!" || tag == "tag:yaml.org,2002:str",
         .tagged = IsTag(tag),
         .anchor = anchor,
         .offset = OffsetOf(mark)});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Open(kSequence, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(kMap, mark, tag, anchor, style);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Unfinished {
    YamlNode node;
    std::optional<YamlNode> key;  // read, but not its value
  };

  static bool IsTag(const std::string& tag) { return !tag.empty() && tag != "?" && tag != "!"; }
  static std::size_t OffsetOf(const YAML::Mark& mark) {
    return static_cast<std::size_t>(std::max(mark.pos, 0));
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor, YAML::EmitterStyle::value style) {
    open_.push_back({.node = {.kind = kind,
                              .flow = style == YAML::EmitterStyle::Flow,
                              .tagged = IsTag(tag),
                              .anchor = anchor,
                              .offset = OffsetOf(mark)},
                     .key = std::nullopt});
  }
  void Close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    Add(std::move(node));
  }
  void Add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    auto& [parent, key] = open_.back();
    if (parent.kind == kSequence) {
      parent.items.push_back(std::move(node));
    } else if (!key) {
      if ((node.kind == kMap || node.kind == kSequence) && !strange_key_) {
        strange_key_ = node.offset;
      }
      key = std::move(node);
    } else {
      parent.entries.push_back({.key = *std::move(key), .value = std::move(node)});
      key.reset();
    }
  }

  const std::string_view text_;
  std::vector<Unfinished> open_;
  YamlNode root_;
  std::optional<std::size_t> strange_key_;
};

std::unexpected<Failure> NotYaml(std::string place, std::string what, std::string hint) {
  return std::unexpected(
      Failure{.exit = ExitCode::kUsage,
              .message = "this can't be read as YAML; nothing was written:",
              .violations = {{.field = std::move(place), .description = std::move(what)}},
              .hint = std::move(hint)});
}

std::unexpected<Failure> Template(const Source& source, std::size_t offset) {
  return NotYaml(source.PlaceOf(offset), "a key that is a list or a map: is it a template?",
                 "render it first: helm template CHART | remoractl inject -f -");
}

bool HasTabInIndentation(std::string_view line) {
  return line.substr(0, line.find_first_not_of(" \t")).contains('\t');
}

std::unexpected<Failure> Explained(const Source& source, std::size_t offset, std::string what) {
  if (HasTabInIndentation(source.Line(offset))) {
    return NotYaml(source.PlaceOf(source.LineStart(offset)),
                   "a tab in the indentation: YAML takes only spaces there",
                   "replace the tabs, for example with `expand -t 2`");
  }
  std::string hint = "`kubectl apply --dry-run=client -f` reads it as strictly";
  if (source.text().contains("{{")) {
    hint = "if it is a template, render it first: helm template CHART | remoractl inject -f -";
  }
  return NotYaml(source.PlaceOf(offset), std::move(what), std::move(hint));
}

}  // namespace

YamlDocument::YamlDocument(YamlNode root)
    : root_(std::make_unique<const YamlNode>(std::move(root))) {
  Visit(*root_);
}

void YamlDocument::Visit(const YamlNode& node) {
  if (node.kind == kAlias) {
    used_anchors_.insert(node.anchor);
  } else if (node.anchor != 0) {
    anchors_[node.anchor] = &node;
  }
  for (const YamlNode& item : node.items) Visit(item);
  for (const auto& [key, value] : node.entries) {
    Visit(key);
    Visit(value);
  }
}

const YamlNode& YamlDocument::Resolve(const YamlNode& node) const {
  if (node.kind != kAlias) return node;
  const auto found = anchors_.find(node.anchor);
  return found == anchors_.end() ? node : *found->second;
}

const YamlNode* YamlDocument::Find(const YamlNode& map, std::string_view key) const {
  return FindMerged(Resolve(map), key, 0);
}

const YamlNode* YamlDocument::FindMerged(const YamlNode& map, std::string_view key,
                                         int depth) const {
  if (map.kind != kMap || depth > kMaxMerges) return nullptr;
  if (const YamlEntry* entry = FindEntry(map, key)) return &Resolve(entry->value);
  const YamlEntry* merge = FindEntry(map, "<<");
  if (merge == nullptr) return nullptr;
  const YamlNode& merged = Resolve(merge->value);
  if (merged.kind == kMap) return FindMerged(merged, key, depth + 1);
  for (const YamlNode& one : merged.items) {
    if (const YamlNode* found = FindMerged(Resolve(one), key, depth + 1)) return found;
  }
  return nullptr;
}

std::string_view YamlDocument::FindText(const YamlNode& map, std::string_view key) const {
  const YamlNode* found = Find(map, key);
  return found == nullptr || found->kind != kScalar ? std::string_view() : found->value;
}

bool YamlDocument::IsShared(const YamlNode& node) const {
  return node.anchor != 0 && used_anchors_.contains(node.anchor);
}

Reply<std::vector<YamlDocument>> ParseYaml(std::string_view text, const std::string& file) {
  const Source source(text, file);
  if (const auto bad = source.FindUnreadable()) {
    return NotYaml(source.PlaceOf(bad->offset), bad->what, bad->hint);
  }
  std::vector<YamlDocument> documents;
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    for (;;) {
      Builder builder(text);
      if (!parser.HandleNextDocument(builder)) return documents;
      if (const auto strange = builder.strange_key()) return Template(source, *strange);
      documents.emplace_back(builder.TakeRoot());
    }
  } catch (const YAML::Exception& error) {
    return Explained(source, static_cast<std::size_t>(std::max(error.mark.pos, 0)), error.msg);
  }
}

}  // namespace remora::cli::inject
