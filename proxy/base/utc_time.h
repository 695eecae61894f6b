// Times as RFC 3339 writes them, in UTC. Pure.
#pragma once

#include <cstddef>
#include <ctime>
#include <string>

namespace remora::proxy {

inline constexpr std::size_t kUtcSecondsSize = 19;

// Writes kUtcSecondsSize bytes and returns their end; `time` is in the years 0 to 9999.
char* WriteUtcSeconds(std::time_t time, char* out);

// Appends "1994-11-06T08:49:37": a fraction, if any, and the Z are the caller's.
void AppendUtcSeconds(std::time_t time, std::string& out);

}  // namespace remora::proxy
