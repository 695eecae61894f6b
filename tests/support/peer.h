// One end of a connection in a test: blocking, raw bytes, every wait with a time limit, and just
// enough HTTP/1 to take a message off it. Strict about framing, so that a proxy which breaks it is
// found out.
//
// Threads: one at a time, except that one may send while another reads. Owns its descriptor.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/eventually.h"

namespace remora::proxy::testing {

enum class ReadEnd { kBytes, kEnd, kReset, kTimeout };

struct Message {
  std::string start;  // request or status line
  std::string head;   // all of it, as it came
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;                 // without chunks
  std::vector<std::string> pieces;  // the chunks one by one
  std::vector<std::string> trailers;
  bool complete = false;
  ReadEnd end = ReadEnd::kBytes;  // why it is not complete

  unsigned status() const;
  // nullopt if it is not there; several are joined with '|'.
  std::optional<std::string> Field(std::string_view name) const;
};

class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  Peer(Peer&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  Peer& operator=(Peer&& other) noexcept;
  ~Peer() { Close(); }

  static Peer Connect(std::uint16_t port);

  int fd() const { return fd_; }
  // False if the other end is gone or does not read.
  bool Send(std::string_view bytes);
  // Sends what the connection takes at once, for filling it; the number of bytes.
  std::size_t SendSome(std::string_view bytes);

  // Waits for more bytes in `buffered()`.
  ReadEnd ReadMore(std::chrono::milliseconds limit = kPatience);
  const std::string& buffered() const { return buffer_; }
  // Everything up to and with `end`; what there is if it does not come.
  std::string ReadThrough(std::string_view end);
  std::string ReadBytes(std::size_t count);
  // How the connection ends; all bytes until then are in buffered().
  ReadEnd ReadToEnd(std::chrono::milliseconds limit = kPatience);
  // The end of the stream (or a reset) is there without more bytes.
  bool IsAtEnd(std::chrono::milliseconds limit = kPatience);

  Message ReadRequest();
  Message ReadRequestHead();
  // Interim answers are messages of their own.
  Message ReadResponse(bool to_head = false);
  Message ReadResponseHead();
  // The next chunk's data; nullopt for the last one or if it does not come.
  std::optional<std::string> ReadChunk();

  void ShutdownSend();
  void Close();
  // When it is closed the other end sees a reset.
  void ResetOnClose();

 private:
  Message ReadHead();
  void ReadLength(Message& message, std::size_t length);
  void ReadChunks(Message& message);
  std::optional<std::string> ReadLine();

  int fd_;
  std::string buffer_;
  ReadEnd last_ = ReadEnd::kBytes;
};

}  // namespace remora::proxy::testing
