// A table for people, in the look of kubectl: upper-case heads, columns three spaces apart, no
// lines. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/output/colour.h"

namespace remora::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> heads);

  // As many cells as there are heads. An empty cell is shown as "-", so that `awk` finds every
  // column; bytes that could steer a terminal are shown escaped.
  void AddRow(std::vector<std::string> cells);
  // The last row's cell in this column is shown in this colour where colours are.
  void SetColour(std::size_t column, Colour colour);

  // Ends with a newline. Without heads and rows it is empty.
  std::string Render(bool with_heads, bool with_colour = false) const;

 private:
  struct Cell {
    std::string text;
    Colour colour = Colour::kNone;
  };
  using Row = std::vector<Cell>;

  std::vector<std::string> heads_;
  std::vector<Row> rows_;
};

// `text` with control bytes as \xNN.
std::string Printable(std::string_view text);

}  // namespace remora::cli
