// One way from a client through a proxy to a backend of its own: what arrives there is the proxy's
// answer to what was sent last, and to nothing else.
//
// Threads: one at a time. Ends its backend when it is destroyed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/differential/mutator.h"
#include "tests/differential/reading.h"
#include "tests/support/peer.h"
#include "tests/support/recording_backend.h"

namespace remora::differential {

struct Play {
  std::string answers;  // all bytes that the client got
  proxy::testing::ReadEnd end = proxy::testing::ReadEnd::kTimeout;
  std::vector<strict::RecordingBackend::Connection> arrived;
};

class Route {
 public:
  std::uint16_t backend_port() const { return backend_.port(); }
  void set_proxy_port(std::uint16_t port) { proxy_port_ = port; }

  // Sends a mutant on a new connection and reads until the proxy closes it. A client that did not
  // half-close at once does so when it has its answers, or nothing has come for a while.
  Play Send(const Mutant& mutant, const Reading& reading);
  // What arrives although nothing was sent, for `time`.
  std::vector<strict::RecordingBackend::Connection> Settle(std::chrono::milliseconds time);

 private:
  strict::RecordingBackend backend_;
  std::uint16_t proxy_port_ = 0;
};

// Of the messages that a server has to serve.
std::vector<std::string> MethodsDue(const Reading& reading);

// The final answers in `bytes`, to requests with these methods and to one that never was one.
// `sound`: nothing in `bytes` is malformed.
struct Answers {
  std::vector<strict::Message> messages;
  bool sound = true;
  std::string problem;
};
Answers ReadAnswers(std::string_view bytes, const std::vector<std::string>& methods);

}  // namespace remora::differential
