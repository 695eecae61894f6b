#include "cli/version.h"

namespace remora::cli {

std::string ClientVersion() { return REMORA_VERSION; }

std::string ClientCommit() { return REMORA_COMMIT; }

}  // namespace remora::cli
