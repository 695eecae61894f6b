// Sockets on 127.0.0.1 and the few lines around them that all tools of the benchmark need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace remora::bench {

// Ends the process with a message: a benchmark that goes on after an error measures something else.
[[noreturn]] void Die(const std::string& what);
// The same for a failed call, with what errno says.
[[noreturn]] void DieOfErrno(const std::string& call);

// Takes the limit of open files to what the system allows.
void RaiseFileLimit();

// A non-blocking listener; port 0 picks a free one, and several may share a port.
int Listen(std::uint16_t port);
std::uint16_t PortOf(int fd);

// -1 when nobody is waiting.
int Accept(int listener);

// A non-blocking socket whose connection is being made; -1 when it was refused at once.
int StartConnect(std::uint16_t port);

// Registers a descriptor once and for good, edge-triggered in both directions.
void Watch(int epoll, int fd, void* data);

// The number that the whole of `text` is; ends the process otherwise.
std::uint64_t NumberOf(std::string_view text, std::string_view what);

}  // namespace remora::bench
