// A backend that costs little: answers each request with 200 and a body of the size that its path
// asks for, after it has read the request's own body.
//
//   usage: remora_bench_backend [PORTS]        listens on so many ports and prints them on one line
//
//   /            a head of 10 fields and a body of 100 bytes; so does every path not named here
//   /b/65536     a body of 65536 bytes
//   /h/33        a head of 33 fields; /b/0/h/33 asks for both
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/bench/tools/sockets.h"

namespace remora::bench {
namespace {

constexpr std::size_t kBlockSize = 256 * 1024;
constexpr std::size_t kInputSize = 128 * 1024;

struct Answer {
  std::string first;       // the head, and the body when it fits
  std::uint64_t rest = 0;  // bytes of the body behind it
};

struct Connection {
  int fd = -1;
  bool is_listener = false;
  std::string input;         // the begin of a head that did not come in one piece
  std::uint64_t unread = 0;  // bytes of the request's body
  const Answer* answer = nullptr;
  std::uint64_t sent = 0;
};

Answer MakeAnswer(std::string_view path) {
  std::uint64_t body = 100;
  std::uint64_t fields = 10;
  for (std::size_t at = 0; at + 3 < path.size() && path[at] == '/' && path[at + 2] == '/';) {
    const std::size_t end = std::min(path.find('/', at + 3), path.size());
    const std::uint64_t number = NumberOf(path.substr(at + 3, end - at - 3), "path");
    (path[at + 1] == 'b' ? body : fields) = number;
    at = end;
  }
  Answer answer;
  answer.first =
      "HTTP/1.1 200 OK\r\n"
      "Date: Tue, 04 Mar 2025 10:11:12 GMT\r\n"
      "Server: bench/1.0\r\n"
      "Content-Type: application/json; charset=utf-8\r\n"
      "Content-Length: " +
      std::to_string(body) +
      "\r\n"
      "Cache-Control: private, max-age=0, must-revalidate\r\n"
      "ETag: \"5d8c72a5edda8d6a:0\"\r\n"
      "Vary: Accept-Encoding\r\n"
      "X-Request-Id: 6f2d0a1c-8c1b-4f0e-9a64-0f2f3f1d2c3b\r\n"
      "X-Content-Type-Options: nosniff\r\n"
      "Strict-Transport-Security: max-age=31536000\r\n";
  for (std::uint64_t i = 10; i < fields; ++i) {
    answer.first += "X-Answer-Field-" + std::to_string(i) + ": a value of a usual length\r\n";
  }
  answer.first += "\r\n";
  if (body <= kBlockSize) {
    answer.first.append(body, 'x');
  } else {
    answer.rest = body;
  }
  return answer;
}

// The value of Content-Length, whose case proxies change.
std::uint64_t BodyLength(std::string_view head) {
  constexpr std::string_view kName = "\r\ncontent-length:";
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
  const auto found = std::search(head.begin(), head.end(), kName.begin(), kName.end(), same);
  if (found == head.end()) return 0;
  std::string_view value = head.substr(static_cast<std::size_t>(found - head.begin()));
  value.remove_prefix(kName.size());
  value = value.substr(0, value.find('\r'));
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return NumberOf(value, "Content-Length");
}

class Backend {
 public:
  explicit Backend(std::uint64_t ports)
      : epoll_(epoll_create1(EPOLL_CLOEXEC)), block_(kBlockSize, 'x'), input_(kInputSize, '\0') {
    if (epoll_ < 0) DieOfErrno("epoll_create1");
    for (std::uint64_t i = 0; i < ports; ++i) {
      const int listener = Listen(0);
      Add(listener, true);
      std::printf("%d%c", PortOf(listener), i + 1 < ports ? ' ' : '\n');
    }
    std::fflush(stdout);
  }

  [[noreturn]] void Run() {
    std::array<epoll_event, 256> events{};
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) DieOfErrno("epoll_wait");
      for (int i = 0; i < count; ++i) {
        auto* connection = static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (connection->is_listener) {
          AcceptAll(connection->fd);
        } else if (!Serve(*connection)) {
          close(connection->fd);
          delete connection;  // a descriptor is named once in a turn
        }
      }
    }
  }

 private:
  void AcceptAll(int listener) {
    for (int fd = Accept(listener); fd >= 0; fd = Accept(listener)) {
      Add(fd, false);
    }
  }

  // It deletes itself with its connection.
  void Add(int fd, bool is_listener) {
    auto* connection = new Connection;
    connection->fd = fd;
    connection->is_listener = is_listener;
    Watch(epoll_, fd, connection);
  }

  // False when the connection has ended.
  bool Serve(Connection& c) {
    bool is_drained = false;
    while (true) {
      if (c.answer != nullptr && c.unread == 0) {
        if (!Send(c)) return errno == EAGAIN;
        c.answer = nullptr;
        if (TakeHead(c)) continue;
      }
      // The end of the connection is an event of its own, so a short read needs no second one.
      if (is_drained) return true;
      const ssize_t read = recv(c.fd, input_.data(), input_.size(), 0);
      if (read < 0) return errno == EAGAIN;
      if (read == 0) return false;
      is_drained = static_cast<std::size_t>(read) < input_.size();
      std::string_view data(input_.data(), static_cast<std::size_t>(read));
      const std::uint64_t skipped = std::min<std::uint64_t>(c.unread, data.size());
      c.unread -= skipped;
      data.remove_prefix(skipped);
      c.input.append(data);
      if (c.answer == nullptr) TakeHead(c);
    }
  }

  // True when the input began with a whole head; then its answer is chosen.
  bool TakeHead(Connection& c) {
    const std::size_t end = c.input.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const std::string_view head = std::string_view(c.input).substr(0, end + 2);
    const std::size_t path = head.find(' ') + 1;
    c.answer = &AnswerTo(head.substr(path, head.find(' ', path) - path));
    c.sent = 0;
    c.unread = BodyLength(head);
    c.input.erase(0, end + 4);
    const std::uint64_t body = std::min<std::uint64_t>(c.unread, c.input.size());
    c.unread -= body;
    c.input.erase(0, body);
    return true;
  }

  const Answer& AnswerTo(std::string_view path) {
    const auto found = answers_.find(std::string(path));
    if (found != answers_.end()) return *found->second;
    auto answer = std::make_unique<Answer>(MakeAnswer(path));
    return *answers_.emplace(path, std::move(answer)).first->second;
  }

  // False, with errno, when the socket took nothing more.
  bool Send(Connection& c) {
    const Answer& answer = *c.answer;
    const std::uint64_t size = answer.first.size() + answer.rest;
    while (c.sent < size) {
      const bool in_first = c.sent < answer.first.size();
      const char* from = in_first ? answer.first.data() + c.sent : block_.data();
      const std::uint64_t left = in_first ? answer.first.size() - c.sent
                                          : std::min<std::uint64_t>(size - c.sent, kBlockSize);
      const int more = in_first && answer.rest > 0 ? MSG_MORE : 0;
      const ssize_t sent = send(c.fd, from, left, MSG_NOSIGNAL | more);
      if (sent < 0) return false;
      c.sent += static_cast<std::uint64_t>(sent);
    }
    return true;
  }

  const int epoll_;
  const std::string block_;
  std::string input_;
  std::unordered_map<std::string, std::unique_ptr<Answer>> answers_;
};

}  // namespace
}  // namespace remora::bench

int main(int argc, char** argv) {
  if (argc > 2) remora::bench::Die("usage: remora_bench_backend [PORTS]");
  remora::bench::RaiseFileLimit();
  remora::bench::Backend(argc > 1 ? remora::bench::NumberOf(argv[1], "PORTS") : 1).Run();
}
