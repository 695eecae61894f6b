#include "cli/output/table.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace remora::cli {
namespace {

constexpr std::size_t kGap = 3;

// Columns as a terminal counts them: bytes that continue a UTF-8 character take no room.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

Table::Table(std::vector<std::string> heads) : heads_(std::move(heads)) {}

void Table::AddRow(std::vector<std::string> cells) {
  assert(cells.size() == heads_.size());
  Row row;
  for (const std::string& cell : cells) row.push_back({cell.empty() ? "-" : Printable(cell)});
  rows_.push_back(std::move(row));
}

void Table::SetColour(std::size_t column, Colour colour) {
  rows_.back().at(column).colour = colour;
}

std::string Table::Render(bool with_heads, bool with_colour) const {
  Row heads;
  for (const std::string& head : heads_) heads.push_back({head});
  std::vector<const Row*> lines;
  if (with_heads) lines.push_back(&heads);
  for (const Row& row : rows_) lines.push_back(&row);
  std::vector<std::size_t> widths(heads_.size(), 0);
  for (const Row* line : lines) {
    for (std::size_t i = 0; i < line->size(); ++i) {
      widths[i] = std::max(widths[i], Width((*line)[i].text));
    }
  }
  std::string text;
  for (const Row* line : lines) {
    for (std::size_t i = 0; i < line->size(); ++i) {
      const Cell& cell = (*line)[i];
      text += InColour(cell.text, with_colour ? cell.colour : Colour::kNone);
      if (i + 1 < line->size()) text.append(widths[i] - Width(cell.text) + kGap, ' ');
    }
    text += '\n';
  }
  return text;
}

std::string Printable(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string shown;
  shown.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      shown += c;
    } else {
      shown += "\\x";
      shown += kHex[byte >> 4U];
      shown += kHex[byte & 0xFU];
    }
  }
  return shown;
}

}  // namespace remora::cli
