#include "cli/inject/list_edits.h"

#include <algorithm>
#include <string>
#include <utility>

namespace remora::cli::inject {
namespace {

// ---- lines --------------------------------------------------------------------------------------

// Behind the line on which `end` stands, and behind comments that are indented deeper than
// `column`: they belong to what is above them.
std::size_t BehindLines(const Source& source, std::size_t end, std::size_t column) {
  std::size_t next = source.NextLine(end);
  while (next < source.text().size()) {
    const std::size_t indent = source.Indentation(next).size();
    if (indent <= column || !source.Line(next).substr(indent).starts_with('#')) break;
    next = source.NextLine(next);
  }
  return next;
}

// New lines at the start of a line, or at the end of a text that lacks its last line break, and
// goes on lacking it.
Edit InsertLines(const Source& source, std::size_t offset, std::string lines) {
  if (source.LineStart(offset) != offset) {
    lines.pop_back();
    lines.insert(0, "\n");
  }
  return {.offset = offset, .text = std::move(lines)};
}

// Takes out the lines from that of `begin` to that of `end`: the opposite of InsertLines.
Edit RemoveLines(const Source& source, std::size_t begin, std::size_t end) {
  std::size_t start = source.LineStart(begin);
  const std::size_t next = source.NextLine(end);
  const bool lacks_break = next == source.text().size() && !source.text().ends_with('\n');
  if (lacks_break && start > 0) start = source.LineEnd(start - 1);
  return {.offset = start, .length = next - start};
}

// A comment directly above a key, at its column, is about the key.
std::size_t AboveComments(const Source& source, const YamlNode& key) {
  const std::size_t column = source.Column(key.offset);
  std::size_t start = source.LineStart(key.offset);
  while (start > 0) {
    const std::size_t above = source.LineStart(start - 1);
    const bool comment = source.Indentation(above).size() == column &&
                         source.Line(above).substr(column).starts_with('#');
    if (!comment) break;
    start = above;
  }
  return start;
}

// ---- a list -------------------------------------------------------------------------------------

// One list and what is to become of it.
class ListEditor {
 public:
  ListEditor(const ListGoal& goal, const YamlNode& map, const Source& source,
             const BlockStyle& style)
      : goal_(goal), map_(map), source_(source), style_(style) {}

  std::vector<Edit> Plan() {
    const YamlEntry* entry = FindEntry(map_, goal_.key);
    if (entry == nullptr) {
      if (!goal_.items.empty()) Create();
    } else if (IsEmpty(entry->value)) {
      if (!goal_.items.empty()) Fill(*entry);
    } else if (!HasForeign(entry->value)) {
      PlanOwn(*entry);
    } else {
      PlanMixed(entry->value);
    }
    return std::move(edits_);
  }

 private:
  bool IsOurs(const YamlNode& item) const {
    return std::ranges::find(goal_.ours, NameOfItem(item)) != goal_.ours.end();
  }
  bool HasForeign(const YamlNode& list) const {
    return !std::ranges::all_of(list.items, [&](const YamlNode& item) { return IsOurs(item); });
  }
  const YamlNode* Wanted(std::string_view name) const {
    const auto found = std::ranges::find(goal_.items, name, NameOfItem);
    return found == goal_.items.end() ? nullptr : &*found;
  }

  std::size_t MapColumn() const { return source_.Column(map_.entries.front().key.offset); }

  void Create() {
    const YamlEntry* before = goal_.before.empty() ? nullptr : FindEntry(map_, goal_.before);
    const YamlNode list = List(goal_.items);
    if (map_.flow) {
      const FlowStyle style = StyleOf(source_, map_);
      const std::string text = FlowEntry(goal_.key, list, style);
      edits_.push_back(before != nullptr
                           ? Edit{.offset = before->key.offset, .text = text + FlowComma(style)}
                           : Edit{.offset = source_.EndOfEntry(map_.entries.back()),
                                  .text = FlowComma(style) + text});
      return;
    }
    const std::size_t column = MapColumn();
    const std::size_t at =
        before != nullptr ? AboveComments(source_, before->key)
                          : BehindLines(source_, source_.EndOfEntry(map_.entries.back()), column);
    edits_.push_back(InsertLines(source_, at, BlockEntry(goal_.key, list, column, style_)));
  }

  // The key is there, with null, [] or nothing behind it.
  void Fill(const YamlEntry& entry) {
    const std::size_t end = source_.EndOfEntry(entry);
    const std::size_t colon = source_.text().find(':', source_.EndOf(entry.key)) + 1;
    edits_.push_back({.offset = colon, .length = end - colon});
    if (map_.flow) {
      edits_.back().text = " " + FlowValue(List(goal_.items), StyleOf(source_, map_));
      return;
    }
    edits_.push_back(
        InsertLines(source_, source_.NextLine(end),
                    BlockItems(goal_.items, MapColumn() + style_.list_indent, style_)));
  }

  // Nothing in the list is of others.
  void PlanOwn(const YamlEntry& entry) {
    const YamlNode& list = entry.value;
    if (goal_.items.empty()) return RemoveEntry(entry);
    if (std::ranges::equal(list.items, goal_.items, SameData)) return;
    if (list.flow) {
      const FlowStyle style = StyleOf(source_, list);
      std::string text;
      for (const YamlNode& item : goal_.items) {
        text += (text.empty() ? "" : FlowComma(style)) + FlowValue(item, style);
      }
      const std::size_t begin = list.items.front().offset;
      edits_.push_back({.offset = begin,
                        .length = source_.EndOf(list.items.back()) - begin,
                        .text = std::move(text)});
      return;
    }
    PlanMixed(list);
  }

  void RemoveEntry(const YamlEntry& entry) {
    const std::size_t end = source_.EndOfEntry(entry);
    if (!map_.flow) {
      edits_.push_back(RemoveLines(source_, entry.key.offset, end));
      return;
    }
    const auto index = static_cast<std::size_t>(&entry - map_.entries.data());
    if (index + 1 < map_.entries.size()) {
      const std::size_t next = map_.entries[index + 1].key.offset;
      edits_.push_back({.offset = entry.key.offset, .length = next - entry.key.offset});
    } else {
      const std::size_t begin =
          index == 0 ? entry.key.offset : source_.EndOfEntry(map_.entries[index - 1]);
      edits_.push_back({.offset = begin, .length = end - begin});
    }
  }

  void PlanMixed(const YamlNode& list) {
    std::vector<std::string_view> present;
    bool all_gone = true;  // of those before the present one
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      const YamlNode& item = list.items[i];
      const std::string_view name = NameOfItem(item);
      const YamlNode* wanted = IsOurs(item) ? Wanted(name) : nullptr;
      // A second one of the same name is no use to anybody.
      const bool twin = std::ranges::find(present, name) != present.end();
      if (IsOurs(item) && (wanted == nullptr || twin)) {
        RemoveItem(list, i, all_gone);
        continue;
      }
      all_gone = false;
      if (wanted == nullptr) continue;
      present.push_back(name);
      if (!SameData(item, *wanted)) ReplaceItem(list, item, *wanted);
    }
    InsertMissing(list, present);
  }

  // Each one behind the one that it follows among ours; those that follow none together.
  void InsertMissing(const YamlNode& list, const std::vector<std::string_view>& present) {
    const YamlNode* after = nullptr;
    std::vector<YamlNode> together;
    const auto insert = [&] {
      if (together.empty()) return;
      if (after != nullptr) {
        InsertBehind(list, *after, together);
      } else if (goal_.place == ListGoal::Place::kBack) {
        InsertBehind(list, list.items.back(), together);
      } else {
        InsertInFront(list, together);
      }
      together.clear();
    };
    for (const YamlNode& item : goal_.items) {
      const std::string_view name = NameOfItem(item);
      if (std::ranges::find(present, name) == present.end()) {
        together.push_back(item);
        continue;
      }
      insert();
      after = &*std::ranges::find(list.items, name, NameOfItem);
    }
    insert();
  }

  void InsertInFront(const YamlNode& list, const std::vector<YamlNode>& items) {
    const YamlNode& first = list.items.front();
    if (list.flow) {
      const FlowStyle style = StyleOf(source_, list);
      std::string text;
      for (const YamlNode& item : items) text += FlowValue(item, style) + FlowComma(style);
      edits_.push_back({.offset = first.offset, .text = std::move(text)});
      return;
    }
    // Above the comments of the first item, thus directly below the key.
    const YamlEntry* entry = FindEntry(map_, goal_.key);
    edits_.push_back(InsertLines(source_, source_.NextLine(entry->key.offset),
                                 BlockItems(items, source_.Column(list.offset), style_)));
  }

  void InsertBehind(const YamlNode& list, const YamlNode& item,
                    const std::vector<YamlNode>& items) {
    const std::size_t end = source_.EndOf(item);
    if (list.flow) {
      const FlowStyle style = StyleOf(source_, list);
      std::string text;
      for (const YamlNode& one : items) text += FlowComma(style) + FlowValue(one, style);
      edits_.push_back({.offset = end, .text = std::move(text)});
      return;
    }
    const std::size_t column = source_.Column(list.offset);
    edits_.push_back(
        InsertLines(source_, BehindLines(source_, end, column), BlockItems(items, column, style_)));
  }

  // The line of its dash, which may stand above it alone.
  std::size_t LineOfDash(const YamlNode& list, const YamlNode& item) const {
    const std::size_t column = source_.Column(list.offset);
    std::size_t line = source_.LineStart(item.offset);
    while (line > source_.LineStart(list.offset) &&
           !(source_.Indentation(line).size() == column &&
             source_.Line(line).substr(column).starts_with('-'))) {
      line = source_.LineStart(line - 1);
    }
    return line;
  }

  void ReplaceItem(const YamlNode& list, const YamlNode& item, const YamlNode& wanted) {
    const std::size_t end = source_.EndOf(item);
    if (list.flow) {
      edits_.push_back({.offset = item.offset,
                        .length = end - item.offset,
                        .text = FlowValue(wanted, StyleOf(source_, list))});
      return;
    }
    std::string lines = BlockItems({wanted}, source_.Column(list.offset), style_);
    lines.pop_back();
    const std::size_t begin = LineOfDash(list, item);
    edits_.push_back(
        {.offset = begin, .length = source_.LineEnd(end) - begin, .text = std::move(lines)});
  }

  void RemoveItem(const YamlNode& list, std::size_t index, bool all_before_are_gone) {
    const YamlNode& item = list.items[index];
    const std::size_t end = source_.EndOf(item);
    if (!list.flow) {
      edits_.push_back(RemoveLines(source_, LineOfDash(list, item), end));
    } else if (all_before_are_gone && index + 1 < list.items.size()) {
      const std::size_t next = list.items[index + 1].offset;
      edits_.push_back({.offset = item.offset, .length = next - item.offset});
    } else {
      const std::size_t begin = index == 0 ? item.offset : source_.EndOf(list.items[index - 1]);
      edits_.push_back({.offset = begin, .length = end - begin});
    }
  }

  const ListGoal& goal_;
  const YamlNode& map_;
  const Source& source_;
  const BlockStyle& style_;
  std::vector<Edit> edits_;
};

}  // namespace

std::vector<Edit> EditsFor(const ListGoal& goal, const YamlNode& map, const Source& source,
                           const BlockStyle& style) {
  return ListEditor(goal, map, source, style).Plan();
}

}  // namespace remora::cli::inject
