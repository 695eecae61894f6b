// Times as RFC 3339 writes them, in UTC. Pure.
#pragma once

#include <ctime>
#include <string>

namespace remora::proxy {

// Appends "1994-11-06T08:49:37": a fraction, if any, and the Z are the caller's.
void AppendUtcSeconds(std::time_t time, std::string& out);

}  // namespace remora::proxy
