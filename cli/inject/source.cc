#include "cli/inject/source.h"

#include <algorithm>

namespace remora::cli::inject {
namespace {

using enum YamlNode::Kind;

constexpr std::string_view kBlanks = " \t\r\n";

std::size_t OrEnd(std::size_t found, std::string_view text) { return std::min(found, text.size()); }

std::size_t EndOfQuoted(std::string_view text, std::size_t open) {
  const char quote = text[open];
  for (std::size_t i = open + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 >= text.size() || text[i + 1] != quote) return i + 1;
      ++i;  // '' is a quote within
    }
  }
  return text.size();
}

// Line breaks within a plain scalar are read as one blank.
std::size_t EndOfPlain(std::string_view text, std::size_t begin, std::string_view value) {
  std::size_t at = begin;
  for (std::size_t i = 0; i < value.size() && at < text.size(); ++i) {
    if (!kBlanks.contains(value[i])) {
      ++at;
      continue;
    }
    while (i + 1 < value.size() && kBlanks.contains(value[i + 1])) ++i;
    at = OrEnd(text.find_first_not_of(kBlanks, at), text);
  }
  return at;
}

// The length of the UTF-8 character there; 0 where there is none.
std::size_t CharacterLength(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) > 0x9F;
  const bool too_large = first == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

}  // namespace

std::size_t Source::LineStart(std::size_t offset) const {
  const std::size_t before = offset == 0 ? std::string_view::npos : text_.rfind('\n', offset - 1);
  return before == std::string_view::npos ? 0 : before + 1;
}

std::size_t Source::LineEnd(std::size_t offset) const {
  const std::size_t end = OrEnd(text_.find('\n', offset), text_);
  return end > 0 && text_[end - 1] == '\r' ? end - 1 : end;
}

std::size_t Source::NextLine(std::size_t offset) const {
  const std::size_t end = text_.find('\n', offset);
  return end == std::string_view::npos ? text_.size() : end + 1;
}

std::string_view Source::Line(std::size_t offset) const {
  const std::size_t start = LineStart(offset);
  return text_.substr(start, LineEnd(start) - start);
}

std::string_view Source::Indentation(std::size_t offset) const {
  const std::string_view line = Line(offset);
  return line.substr(0, line.find_first_not_of(" \t"));
}

std::string_view Source::LineBreak() const {
  const std::size_t first = text_.find('\n');
  const bool windows = first != std::string_view::npos && first > 0 && text_[first - 1] == '\r';
  return windows ? "\r\n" : "\n";
}

std::size_t Source::SkipToContent(std::size_t offset) const {
  for (;;) {
    offset = OrEnd(text_.find_first_not_of(kBlanks, offset), text_);
    if (offset == text_.size() || text_[offset] != '#') return offset;
    offset = LineEnd(offset);
  }
}

// Anchor and tag, in any order.
std::size_t Source::SkipProperties(std::size_t offset) const {
  while (offset < text_.size() && (text_[offset] == '&' || text_[offset] == '!')) {
    offset = SkipToContent(OrEnd(text_.find_first_of(kBlanks, offset), text_));
  }
  return offset;
}

std::size_t Source::EndOfBlockScalar(std::size_t header) const {
  const bool keeps_blank_lines =
      text_.substr(header, LineEnd(header) - header).substr(0, 3).contains('+');
  std::size_t end = LineEnd(header);
  std::size_t indent = 0;
  for (std::size_t line = NextLine(header); line < text_.size(); line = NextLine(line)) {
    const std::size_t blanks = Indentation(line).size();
    if (blanks == Line(line).size()) {
      if (keeps_blank_lines) end = LineEnd(line);
      continue;
    }
    if (indent == 0) indent = blanks;
    if (blanks < indent || indent == 0) break;
    end = LineEnd(line);
  }
  return end;
}

std::size_t Source::EndOfScalar(const YamlNode& node) const {
  const std::size_t begin = SkipProperties(node.offset);
  if (begin == text_.size()) return begin;
  const char first = text_[begin];
  if (first == '"' || first == '\'') return EndOfQuoted(text_, begin);
  if (first == '|' || first == '>') {
    return node.value.empty() ? LineEnd(begin) : EndOfBlockScalar(begin);
  }
  return EndOfPlain(text_, begin, node.value);
}

std::size_t Source::EndOfFlow(const YamlNode& node) const {
  std::size_t end = SkipProperties(node.offset) + 1;
  if (!node.items.empty()) end = EndOf(node.items.back());
  if (!node.entries.empty()) end = EndOfEntry(node.entries.back());
  const char close = node.kind == kMap ? '}' : ']';
  end = SkipToContent(end);
  while (end < text_.size() && text_[end] != close) end = SkipToContent(end + 1);
  return std::min(end + 1, text_.size());
}

std::size_t Source::EndOfBlock(const YamlNode& node) const {
  return node.kind == kMap ? EndOfEntry(node.entries.back()) : EndOf(node.items.back());
}

std::size_t Source::EndOf(const YamlNode& node) const {
  switch (node.kind) {
    case kNull:
      return node.offset + node.value.size();
    case kAlias:
      return OrEnd(text_.find_first_of(" \t\r\n,]}", node.offset), text_);
    case kScalar:
      return EndOfScalar(node);
    case kSequence:
    case kMap:
      return node.flow || IsEmpty(node) ? EndOfFlow(node) : EndOfBlock(node);
  }
  return node.offset;
}

std::size_t Source::EndOfEntry(const YamlEntry& entry) const {
  if (entry.value.kind != kNull || !entry.value.value.empty()) return EndOf(entry.value);
  const std::size_t end = EndOf(entry.key);
  const std::size_t colon = SkipToContent(end);
  return colon < text_.size() && text_[colon] == ':' ? colon + 1 : end;
}

std::string Source::PlaceOf(std::size_t offset) const {
  offset = std::min(offset, text_.size());
  const auto line = std::ranges::count(text_.substr(0, offset), '\n') + 1;
  return std::string(file_) + ":" + std::to_string(line) + ":" + std::to_string(Column(offset) + 1);
}

std::optional<Source::Unreadable> Source::FindUnreadable() const {
  for (std::size_t i = 0; i < text_.size();) {
    const char c = text_[i];
    if (c == '\r' && (i + 1 == text_.size() || text_[i + 1] != '\n')) {
      return Unreadable{i, "a carriage return without a line feed",
                        "end lines with \\n, or with \\r\\n"};
    }
    if ((c >= 0 && c < ' ' && !kBlanks.contains(c)) || c == '\x7f') {
      return Unreadable{i, "a control character", "YAML is text: take it out"};
    }
    const std::size_t length = CharacterLength(text_.substr(i));
    if (length == 0) {
      return Unreadable{i, "a byte that is not UTF-8", "save the file as UTF-8"};
    }
    i += length;
  }
  return std::nullopt;
}

}  // namespace remora::cli::inject
