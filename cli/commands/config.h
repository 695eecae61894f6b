// What this client itself uses, for `remoractl config`: calls nobody. Pure.
#pragma once

#include <string>

#include "cli/address.h"
#include "cli/context.h"

namespace remora::cli {

// Client version, address with its origin, timeout and colour, in the format of the options.
std::string ConfigText(const GlobalOptions& options, const ChosenAddress& address);

}  // namespace remora::cli
