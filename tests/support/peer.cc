#include "tests/support/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "proxy/message/head.h"

namespace remora::proxy::testing {
namespace {

using std::chrono::milliseconds;
using TestClock = std::chrono::steady_clock;

int LeftUntil(TestClock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - TestClock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

bool WaitFor(int fd, short events, TestClock::time_point deadline) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  return poll(&entry, 1, LeftUntil(deadline)) > 0;
}

}  // namespace

unsigned Message::status() const {
  unsigned value = 0;
  if (start.size() > 12) std::from_chars(start.data() + 9, start.data() + 12, value);
  return value;
}

std::optional<std::string> Message::Field(std::string_view name) const {
  std::optional<std::string> joined;
  for (const auto& [key, value] : fields) {
    if (!message::EqualsIgnoreCase(key, name)) continue;
    joined = joined ? *joined + "|" + value : value;
  }
  return joined;
}

Peer& Peer::operator=(Peer&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    buffer_ = std::move(other.buffer_);
  }
  return *this;
}

Peer Peer::Connect(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd);
    return Peer(-1);
  }
  return Peer(fd);
}

bool Peer::Send(std::string_view bytes) {
  const auto deadline = TestClock::now() + kPatience;
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN || !WaitFor(fd_, POLLOUT, deadline)) {
      return false;
    }
  }
  return true;
}

std::size_t Peer::SendSome(std::string_view bytes) {
  const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

ReadEnd Peer::ReadMore(milliseconds limit) {
  if (!WaitFor(fd_, POLLIN, TestClock::now() + limit)) return last_ = ReadEnd::kTimeout;
  char bytes[65536];
  const ssize_t count = recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (count < 0) return last_ = ReadEnd::kReset;
  if (count == 0) return last_ = ReadEnd::kEnd;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return last_ = ReadEnd::kBytes;
}

std::string Peer::ReadThrough(std::string_view end) {
  std::size_t found = buffer_.find(end);
  while (found == std::string::npos) {
    if (ReadMore() != ReadEnd::kBytes) return std::exchange(buffer_, {});
    found = buffer_.find(end);
  }
  std::string bytes = buffer_.substr(0, found + end.size());
  buffer_.erase(0, bytes.size());
  return bytes;
}

std::string Peer::ReadBytes(std::size_t count) {
  while (buffer_.size() < count) {
    if (ReadMore() != ReadEnd::kBytes) return std::exchange(buffer_, {});
  }
  std::string bytes = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return bytes;
}

ReadEnd Peer::ReadToEnd(milliseconds limit) {
  const auto deadline = TestClock::now() + limit;
  for (;;) {
    const ReadEnd end = ReadMore(milliseconds(LeftUntil(deadline)));
    if (end != ReadEnd::kBytes) return end;
  }
}

bool Peer::IsAtEnd(milliseconds limit) {
  const ReadEnd end = ReadMore(limit);
  return buffer_.empty() && (end == ReadEnd::kEnd || end == ReadEnd::kReset);
}

std::optional<std::string> Peer::ReadLine() {
  std::string line = ReadThrough("\r\n");
  if (!line.ends_with("\r\n")) return std::nullopt;
  line.resize(line.size() - 2);
  return line;
}

Message Peer::ReadHead() {
  Message message;
  message.head = ReadThrough("\r\n\r\n");
  message.complete = message.head.ends_with("\r\n\r\n");
  message.end = last_;
  if (!message.complete) return message;
  std::string_view rest = message.head;
  bool first = true;
  for (;;) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (line.empty()) return message;
    if (std::exchange(first, false)) {
      message.start = line;
      continue;
    }
    const std::size_t colon = line.find(':');
    std::string_view value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    message.fields.emplace_back(line.substr(0, colon), value);
  }
}

void Peer::ReadLength(Message& message, std::size_t length) {
  message.body = ReadBytes(length);
  message.complete = message.body.size() == length;
  message.end = last_;
}

std::optional<std::string> Peer::ReadChunk() {
  const auto line = ReadLine();
  if (!line || line->empty()) return std::nullopt;
  std::size_t size = 0;
  const auto parsed = std::from_chars(line->data(), line->data() + line->size(), size, 16);
  if (parsed.ptr != line->data() + line->size() || size == 0) return std::nullopt;
  std::string data = ReadBytes(size + 2);
  if (data.size() != size + 2 || !data.ends_with("\r\n")) return std::nullopt;
  data.resize(size);
  return data;
}

void Peer::ReadChunks(Message& message) {
  message.complete = false;
  for (;;) {
    while (buffer_.find("\r\n") == std::string::npos) {
      message.end = ReadMore();
      if (message.end != ReadEnd::kBytes) return;
    }
    const bool last = buffer_.starts_with("0\r\n");
    if (last) break;
    auto chunk = ReadChunk();
    message.end = last_;
    if (!chunk) return;
    message.body += *chunk;
    message.pieces.push_back(std::move(*chunk));
  }
  ReadLine();
  for (;;) {
    auto line = ReadLine();
    message.end = last_;
    if (!line) return;
    if (line->empty()) break;
    message.trailers.push_back(std::move(*line));
  }
  message.complete = true;
}

Message Peer::ReadRequestHead() { return ReadHead(); }
Message Peer::ReadResponseHead() { return ReadHead(); }

Message Peer::ReadRequest() {
  Message message = ReadHead();
  if (!message.complete) return message;
  if (message.Field("Transfer-Encoding")) {
    ReadChunks(message);
  } else if (const auto length = message.Field("Content-Length")) {
    ReadLength(message, std::strtoull(length->c_str(), nullptr, 10));
  }
  return message;
}

Message Peer::ReadResponse(bool to_head) {
  Message message = ReadHead();
  const unsigned status = message.status();
  if (!message.complete || to_head || status < 200 || status == 204 || status == 304) {
    return message;
  }
  if (message.Field("Transfer-Encoding")) {
    ReadChunks(message);
  } else if (const auto length = message.Field("Content-Length")) {
    ReadLength(message, std::strtoull(length->c_str(), nullptr, 10));
  } else {
    message.end = ReadToEnd();
    message.complete = message.end == ReadEnd::kEnd;
    message.body = std::exchange(buffer_, {});
  }
  return message;
}

void Peer::ShutdownSend() { shutdown(fd_, SHUT_WR); }

void Peer::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

void Peer::ResetOnClose() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

}  // namespace remora::proxy::testing
