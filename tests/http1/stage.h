// The proxy between a client that keeps all it reads and a backend that keeps all it gets, and what
// must hold whatever is sent through: the invariants of strict HTTP/1.
//
// One proxy with one worker, so that what happened on one connection has happened before what is
// asked on the next. For one thread; a Client must not outlive its Stage.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/peer.h"
#include "tests/support/recording_backend.h"
#include "tests/support/running_proxy.h"
#include "tests/support/strict_http.h"

namespace remora::http1 {

// Printable, as a C string would be written; very long ones without their middle.
std::string Escape(std::string_view bytes);

// "Name: value"
std::string LineOf(const strict::Field& field);

// What a reader of answers must know of a request.
struct Asked {
  std::string method = "GET";
  unsigned minor_version = 1;
};

// Of all requests in `bytes`, also of a last one that is not sound, as far as it can be read.
std::vector<Asked> AskedIn(std::string_view bytes);

class Client {
 public:
  explicit Client(std::uint16_t port);

  // Piece by piece, each when the one before has been read. Ends early when nobody takes it.
  void Send(const std::vector<std::string>& pieces);
  void HalfClose() { peer_.ShutdownSend(); }
  // Reads an answer to each of `asked`; to the end of the connection if an answer announces it or
  // `to_end` asks for it. Everything must be well-formed; what is not is a problem.
  void Read(const std::vector<Asked>& asked, bool to_end);

  std::vector<unsigned> interim() const { return StatusesOf(interim_); }
  std::vector<unsigned> statuses() const { return StatusesOf(answers_); }
  const std::vector<strict::Message>& answers() const { return answers_; }
  // A final answer of which only a part came before the end.
  const std::optional<strict::Message>& cut() const { return cut_; }
  bool ended() const { return ended_; }
  bool says_close() const;
  // Another request may follow.
  bool may_follow() const { return problems_.empty() && !ended_ && !tunnel_ && !says_close(); }
  const std::vector<std::string>& problems() const { return problems_; }
  const std::string& bytes() const { return bytes_; }
  // Spares the kernel the memory of the connection; for one that has nothing more to say.
  void Reset() {
    peer_.ResetOnClose();
    peer_.Close();
  }

 private:
  static std::vector<unsigned> StatusesOf(const std::vector<strict::Message>& messages);
  // Takes what is complete. False when there is nothing more to wait for.
  bool Parse(const std::vector<Asked>& asked);
  void Keep(strict::Message message, const Asked& asked);

  proxy::testing::Peer peer_;
  std::vector<strict::Message> interim_;
  std::vector<strict::Message> answers_;
  std::optional<strict::Message> cut_;
  bool ended_ = false;
  bool cleanly_ended_ = false;
  bool tunnel_ = false;
  std::string bytes_;
  std::vector<std::string> problems_;
};

// What the backend has seen, canaries apart.
struct Seen {
  std::vector<strict::Message> requests;          // complete ones, in order
  std::vector<std::uint64_t> connections;         // of each of them
  bool partial = false;                           // a further one that was never completed
  std::map<std::string, std::uint64_t> canaries;  // their connections
  std::string bytes;                              // of all connections
  std::vector<std::string> problems;
};

class Stage {
 public:
  Stage();

  strict::RecordingBackend& backend() { return backend_; }
  Client Connect() const { return Client(proxy_.port()); }

  // A request with an id of its own, which must come back: the connection `client` is in step.
  // Adds to `problems`, returns the id.
  std::string AskCanary(Client& client, std::vector<std::string>& problems);
  // The same on a new connection: the proxy lives.
  std::string AskCanary(std::vector<std::string>& problems);

  // The backend has sent what it has to send, and what it saw is kept for Observe.
  void Collect();
  // All since the last time. Waits until requests that were given up are given up.
  Seen Observe();

 private:
  strict::RecordingBackend backend_;
  proxy::testing::RunningProxy proxy_;
  std::vector<strict::RecordingBackend::Connection> collected_;
  std::vector<std::string> canaries_;
  std::uint64_t last_canary_ = 0;
};

}  // namespace remora::http1
