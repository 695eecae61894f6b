// A table for people, in the look of kubectl: upper-case heads, columns three spaces apart, no
// colour, no lines. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace remora::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> heads);

  // As many cells as there are heads. An empty cell is shown as "-", so that `awk` finds every
  // column; bytes that could steer a terminal are shown escaped.
  void AddRow(std::vector<std::string> cells);

  // Ends with a newline. Without heads and rows it is empty.
  std::string Render(bool with_heads) const;

 private:
  std::vector<std::string> heads_;
  std::vector<std::vector<std::string>> rows_;
};

// `text` with control bytes as \xNN.
std::string Printable(std::string_view text);

}  // namespace remora::cli
