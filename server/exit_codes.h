// The exit codes of remorad, after sysexits.h. Stable: unit files and scripts branch on them.
#pragma once

namespace remora::server {

inline constexpr int kExitOk = 0;            // ended as asked; cut requests are in the log
inline constexpr int kExitUsage = 64;        // unknown flag
inline constexpr int kExitUnavailable = 69;  // an address can't be bound
inline constexpr int kExitInternal = 70;     // a bug
inline constexpr int kExitConfig = 78;       // the configuration is wrong

}  // namespace remora::server
