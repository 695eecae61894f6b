#include "server/version.h"

namespace remora::server {

std::string_view Version() { return REMORA_VERSION; }

std::string_view Commit() {
  constexpr std::string_view kCommit = REMORA_COMMIT;
  return kCommit.empty() ? "unknown" : kCommit;
}

std::string_view BuildType() {
  constexpr std::string_view kBuildType = REMORA_BUILD_TYPE;
  return kBuildType.empty() ? "no build type" : kBuildType;
}

std::string VersionLine() {
  return "remorad " + std::string(Version()) + " (commit " + std::string(Commit()) + ", " +
         std::string(BuildType()) + ")";
}

}  // namespace remora::server
