// One client connection through the data plane to one backend, all in the thread of the caller: the
// session, forwarder and pool of proxy/ on a loop that is turned by hand, unix sockets instead of
// TCP, and no waiting: when nothing moves any more, first the one end closes, then the other.
//
// Threads: one. A World is for one run; only the listening socket of the backend stays for the next
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/evidence.h"
#include "tests/support/strict_http.h"

namespace remora::fuzz {

// What both ends do. An input of the fuzzer is one byte of options, the client's bytes, and the
// backend's answers, with kSeparator between them.
struct Script {
  static constexpr std::string_view kSeparator = "\n--\n";
  enum class Trigger : std::uint8_t { kRequest, kHead, kFirstByte, kAccept };
  enum class Ending : std::uint8_t { kOpen, kHalfClose, kClose };
  enum class Pieces : std::uint8_t { kWhole, kRandom, kBytes };

  std::string client;
  std::vector<std::string> answers;     // one a request; an empty one: the connection is closed
  Trigger trigger = Trigger::kRequest;  // when the backend answers
  bool close_after_answer = false;
  Ending ending = Ending::kOpen;  // what the client does after its last byte
  Pieces pieces = Pieces::kWhole;
  std::string prefix;  // of the backend's URL
};

Script ReadScript(std::string_view input);

// What the backend has seen of one connection.
struct BackendConnection {
  std::string received;
  std::vector<std::string> answers;  // given so far
  std::size_t complete = 0;          // requests
  std::size_t complete_bytes = 0;    // that they took
  bool tunnel = false;               // what follows them is no HTTP any more
  std::string problem;               // not empty: what is malformed
  bool misused = false;  // a request came behind an answer that did not end where it said

  int fd = -1;
  std::string pending;  // to be sent
  std::size_t sent = 0;
  // What of it are answers to the requests so far; nullopt: they have no end, or a close.
  std::optional<std::size_t> answer_bytes = 0;
  bool unsure = false;  // the oracle can't tell where they end
  bool close_when_sent = false;
};

// A request that arrived whole.
struct Arrival {
  std::size_t connection;  // index
  std::size_t answer;      // which of the connection's
  strict::Message request;
};

class World {
 public:
  World(const Script& script, std::string_view input);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // To the end of the session.
  void Run();

  const std::string& to_client() const { return to_client_; }
  // The proxy ended the connection while the client had not ended its side.
  bool closed_by_proxy() const { return closed_by_proxy_; }
  const std::vector<BackendConnection>& connections() const { return connections_; }
  // In the order of their last bytes.
  const std::vector<Arrival>& arrivals() const { return arrivals_; }
  // False: it still runs although both ends have closed.
  bool ended() const;
  // Requests that the backend's admission word counts.
  std::uint32_t active() const;

 private:
  struct Plane;  // what is of proxy/

  void Settle();
  bool ReceiveFromProxy();
  bool AcceptAndReceive();
  void Consider(std::size_t index);
  void Answer(BackendConnection& connection, const strict::Parsed& request);
  bool SendClientPiece();
  bool SendBackendPiece();
  bool NextStage();
  std::size_t PieceOf(std::size_t left);
  void CloseClient();

  const Script& script_;
  Cuts cuts_;
  std::unique_ptr<Plane> plane_;
  int client_fd_ = -1;
  std::size_t client_sent_ = 0;
  bool client_half_closed_ = false;
  bool closed_by_proxy_ = false;
  bool backend_gone_ = false;
  std::string to_client_;
  std::size_t answers_given_ = 0;
  std::vector<BackendConnection> connections_;
  std::vector<Arrival> arrivals_;
};

}  // namespace remora::fuzz
