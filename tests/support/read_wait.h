// Waits until the other end of a local TCP connection has taken what was sent to it, so that bytes
// which a test sends one by one are also read one by one: two sends that lie in the same queue are
// one read to the receiver.
//
// The kernel is asked for the length of the other end's receive queue (sock_diag). Where it does
// not tell, nothing is waited for: the bytes then only tend to come apart. Any thread.
#pragma once

#include <chrono>

namespace remora::strict {

// `fd`: this end, IPv4. False if the other end is gone, does not read, or nothing is known of it;
// never waits longer than `limit`, as a receiver may have its reasons not to read on.
bool WaitUntilRead(int fd, std::chrono::microseconds limit);

}  // namespace remora::strict
