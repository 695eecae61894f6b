// What this binary is. Constants.
#pragma once

#include <string>

namespace remora::cli {

std::string ClientVersion();  // "0.1.0"
std::string ClientCommit();   // "1a2b3c4d5e6f"; empty when built outside of a repository

}  // namespace remora::cli
