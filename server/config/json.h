// Trees of values as JSON text. Pure.
#pragma once

#include <string>

#include "server/config/tree.h"

namespace remora::server {

// With two blanks a level, without a line end after the last brace.
std::string RenderJson(const ShownValue& value);

}  // namespace remora::server
