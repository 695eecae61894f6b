// What sockets of both sides are told. Best effort: a socket that does not know an option works
// without. Any thread.
#pragma once

namespace remora::proxy::net {

// What is written is sent, whatever is under way (no Nagle). Unix sockets never wait.
void SendAtOnce(int socket);

// For a connection within this machine, which has no line whose speed is to be found; before it is
// made. It gets Reno. A host whose default is BBR paces what it sends to itself: a body of 1 MiB
// takes 1.8 times the CPU then, a small request 1.5 % more. CUBIC costs 1 %.
void DontPace(int socket);

}  // namespace remora::proxy::net
