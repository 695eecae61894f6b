// A strict backend: it takes every byte that arrives as evidence, reads requests with the oracle of
// strict_http.h, and closes a connection on the first byte that is not strict HTTP/1.
//
// One thread with epoll serves all connections. Thread-safe. It ends all connections when it is
// destroyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/strict_http.h"

namespace remora::strict {

class RecordingBackend {
 public:
  struct Connection {
    std::uint64_t number = 0;          // in the order of accepting, from 1
    std::string bytes;                 // everything that has arrived since the last Take
    std::vector<Message> requests;     // complete ones that ended since the last Take
    std::vector<std::uint64_t> order;  // of each of them among all connections' requests, from 1
    std::string problem;               // not empty: what was malformed; the connection was closed
    bool partial = false;              // a request has begun and is not complete
    bool ended = false;                // the other end has closed
  };

  // What an answer is followed by.
  enum class Then { kKeep, kClose, kReset };

  RecordingBackend();
  ~RecordingBackend();
  RecordingBackend(const RecordingBackend&) = delete;
  RecordingBackend& operator=(const RecordingBackend&) = delete;

  std::uint16_t port() const;
  std::string url() const;  // http://127.0.0.1:port

  // Without it each request is answered 200 with `Content-Type: text/plain`, `X-Seen: <the
  // request's X-Case field, if it has one>` and the body "<method> <target>". With it, every
  // request whose target does not start with "/canary" is answered with exactly these bytes. Holds
  // until the next call or ClearAnswer.
  void SetAnswer(std::string bytes, Then then = Then::kKeep);
  void ClearAnswer();
  // As SetAnswer, but each piece is sent by itself, when the one before has been read.
  void SetAnswerInPieces(std::vector<std::string> pieces, Then then = Then::kKeep);

  // Hangs up on everybody, so that the next request comes on a connection of its own.
  void CloseAll();

  // Handles all that has arrived (local sends are in the socket's queue when they return), then
  // gives what happened on each connection since the last call, and forgets it. Connections on
  // which nothing happened are left out.
  std::vector<Connection> Take();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace remora::strict
