// Colours of a terminal. Values only.
#pragma once

#include <string>
#include <string_view>

namespace remora::cli {

enum class Colour { kNone, kRed, kGreen, kYellow, kCyan };

// `text` in this colour; the text itself where it is kNone.
std::string InColour(std::string_view text, Colour colour);

}  // namespace remora::cli
