#include "cli/output/colour.h"

namespace remora::cli {

std::string InColour(std::string_view text, Colour colour) {
  std::string_view start;
  switch (colour) {
    case Colour::kNone:
      return std::string(text);
    case Colour::kRed:
      start = "\x1b[31m";
      break;
    case Colour::kGreen:
      start = "\x1b[32m";
      break;
    case Colour::kYellow:
      start = "\x1b[33m";
      break;
    case Colour::kCyan:
      start = "\x1b[36m";
      break;
  }
  return std::string(start) + std::string(text) + "\x1b[0m";
}

}  // namespace remora::cli
