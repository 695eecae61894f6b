// A backend of the test's own: a thread for each connection, which does what a script says with
// blocking calls. It keeps what it was asked, and can hold its answers until it is told.
//
// Thread-safe. When it is destroyed it lets held answers go, ends all connections and joins.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/peer.h"

namespace remora::proxy::testing {

// Closed until it is opened, for good.
class Gate {
 public:
  void Open();
  // False when nobody opened it within kPatience.
  bool Wait();

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  bool open_ = false;
};

class FakeBackend {
 public:
  // Serves one connection, which is closed when it returns.
  using Script = std::function<void(Peer& peer, FakeBackend& self)>;
  using Answer = std::function<std::string(const Message& request)>;

  explicit FakeBackend(Script script);
  ~FakeBackend();
  FakeBackend(const FakeBackend&) = delete;
  FakeBackend& operator=(const FakeBackend&) = delete;

  // Answers each request of a connection; an answer that says `Connection: close` is the last.
  static Script Serve(Answer answer);
  // As Serve, but each answer waits for Release.
  static Script Hold(Answer answer);
  static std::string Ok(std::string_view body = "ok", std::string_view fields = "");
  static Answer Always(std::string answer);

  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // Stops listening: connects are refused from now on, as if the process were gone.
  void StopListening();

  void Record(Message request);
  void Release() { gate_.Open(); }
  bool WaitForRelease() { return gate_.Wait(); }

  std::vector<Message> requests() const;
  std::size_t request_count() const;
  std::size_t connections() const;
  std::size_t open_connections() const;
  bool WaitForRequests(std::size_t count) const;
  // The connections that were accepted have ended but for `open`.
  bool WaitForOpen(std::size_t open) const;

 private:
  void Accept();
  void Run(std::size_t index, Peer peer);

  const Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  Gate gate_;
  mutable std::mutex mu_;
  mutable std::condition_variable changed_;
  std::vector<Message> requests_;
  std::map<std::size_t, int> open_;  // descriptor by connection
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace remora::proxy::testing
