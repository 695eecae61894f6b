// What this build is. Constants of the process; set by CMake on version.cc alone, so that a new
// commit compiles one file again.
#pragma once

#include <string>
#include <string_view>

namespace remora::server {

std::string_view Version();    // "0.1.0"
std::string_view Commit();     // "3f2a9c1d04be", or "unknown" outside a checkout
std::string_view BuildType();  // "Release"

// "remorad 0.1.0 (commit 3f2a9c1d04be, Release)"
std::string VersionLine();

}  // namespace remora::server
