// The text of a file, by lines: where things begin and end in it. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inject/yaml_node.h"

namespace remora::cli::inject {

// Both outlive it. An offset may be that of the end of the text.
class Source {
 public:
  Source(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  std::string_view text() const { return text_; }

  std::size_t LineStart(std::size_t offset) const;
  std::size_t LineEnd(std::size_t offset) const;   // without its line break
  std::size_t NextLine(std::size_t offset) const;  // the end of the text behind the last one
  std::string_view Line(std::size_t offset) const;
  std::string_view Indentation(std::size_t offset) const;  // of the line
  std::size_t Column(std::size_t offset) const { return offset - LineStart(offset); }
  bool OnOneLine(std::size_t a, std::size_t b) const { return LineStart(a) == LineStart(b); }
  // The line break that the text has, "\n" where it has none.
  std::string_view LineBreak() const;

  // The next place that is neither a blank, nor a line break, nor in a comment.
  std::size_t SkipToContent(std::size_t offset) const;
  // Just behind the text of a node. It must be written: where `kind` is kNull, `value` is not "".
  std::size_t EndOf(const YamlNode& node) const;
  // Also where the value is not written: then it ends with the colon.
  std::size_t EndOfEntry(const YamlEntry& entry) const;

  std::string PlaceOf(std::size_t offset) const;  // "file:12:7"

  struct Unreadable {
    std::size_t offset;
    std::string what;
    std::string hint;
  };
  // The first byte that the YAML parser would not take as it is.
  std::optional<Unreadable> FindUnreadable() const;

 private:
  std::size_t SkipProperties(std::size_t offset) const;
  std::size_t EndOfScalar(const YamlNode& node) const;
  std::size_t EndOfBlockScalar(std::size_t header) const;
  std::size_t EndOfFlow(const YamlNode& node) const;
  std::size_t EndOfBlock(const YamlNode& node) const;

  std::string_view text_;
  std::string_view file_;
};

}  // namespace remora::cli::inject
