// Plays an application in a pod: a server that says which pod it is, or a client that counts.
//
//   peer serve PORT                     answers with the name of its pod (POD_NAME); of the answer
//                                       to ?ms=N the last byte comes N ms later
//   peer load IP:PORT TARGET RATE PORT  RATE requests a second over eight connections; GET /stats
//                                       on PORT says what came of them, with the milliseconds since
//                                       1970 of the first request that each pod got and of the last
//                                       answer; GET /mark counts pods anew
//   peer get IP:PORT TARGET COUNT       COUNT requests; exits with 1 if one is not answered by 200
//
// A request that gets no whole answer of 200 has failed: nothing is tried twice. One thread a
// connection, blocking sockets, each wait bounded. SIGTERM ends it at once.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kConnections = 8;
constexpr int kTimeoutSeconds = 15;
constexpr int kRequestsPerConnection = 25;  // a Service chooses a pod for a connection
constexpr std::size_t kMaxFailures = 50;

[[noreturn]] void Fail(const std::string& what) {
  std::cerr << "peer: " << what << "\n";
  std::exit(2);
}

// ---- sockets ----

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    const timeval limit{.tv_sec = kTimeoutSeconds, .tv_usec = 0};
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  Socket(Socket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }

  bool Send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // A head with its empty line, or nothing when the peer has closed or is too slow.
  std::optional<std::string> ReadHead() {
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore()) return std::nullopt;
    }
    return Take(end + 4);
  }

  std::optional<std::string> ReadBody(std::size_t size) {
    while (buffer_.size() < size) {
      if (!ReadMore()) return std::nullopt;
    }
    return Take(size);
  }

 private:
  bool ReadMore() {
    char data[4096];
    const ssize_t got = recv(fd_, data, sizeof(data), 0);
    if (got > 0) buffer_.append(data, static_cast<std::size_t>(got));
    return got > 0;
  }

  std::string Take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  int fd_;
  std::string buffer_;
};

std::optional<Socket> Connect(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) Fail("no port in " + address);
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr) != 1) {
    Fail("not an address: " + address);
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) == 0;
  Socket made(fd);
  if (!connected) return std::nullopt;
  return made;
}

bool Has(std::string head, std::string_view line) {
  std::ranges::transform(head, head.begin(), [](unsigned char c) { return std::tolower(c); });
  return head.find(line) != std::string::npos;
}

// ---- server ----

std::string Answer(std::string_view body, bool last) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
         (last ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n") + std::string(body);
}

using Handler = std::string (*)(std::string_view target);

void ServeConnection(Socket socket, Handler handler) {
  while (const auto head = socket.ReadHead()) {
    const std::size_t begin = head->find(' ') + 1;
    const std::string target = head->substr(begin, head->find(' ', begin) - begin);
    const bool last = Has(*head, "\r\nconnection: close");
    const std::string answer = Answer(handler(target), last);
    const std::size_t query = target.find("?ms=");
    const std::size_t now = query == std::string::npos ? answer.size() : answer.size() - 1;
    if (!socket.Send(std::string_view(answer).substr(0, now))) return;
    if (now < answer.size()) poll(nullptr, 0, std::atoi(target.c_str() + query + 4));
    if (!socket.Send(std::string_view(answer).substr(now)) || last) return;
  }
}

[[noreturn]] void Serve(int port, Handler handler) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener, 512) != 0) {
    Fail("can't listen on port " + std::to_string(port));
  }
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) std::thread(ServeConnection, Socket(fd), handler).detach();
  }
}

std::string PodName(std::string_view) {
  const char* name = std::getenv("POD_NAME");
  return name != nullptr ? name : "nobody";
}

// ---- client ----

long NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Outcome {
  std::string pod = {};  // who answered
  long sent_ms = 0;
  std::string failure = {};  // or why nobody did
};

class Client {
 public:
  Client(std::string address, std::string target)
      : address_(std::move(address)), target_(std::move(target)) {}

  Outcome Request() {
    if (!socket_) {
      std::optional<Socket> made = Connect(address_);
      if (!made) return {.failure = "can't connect"};
      socket_.emplace(std::move(*made));
    }
    const long sent_ms = NowMs();
    Outcome outcome = Exchange();
    outcome.sent_ms = sent_ms;
    if (!outcome.failure.empty() || last_) socket_.reset();
    return outcome;
  }

 private:
  Outcome Exchange() {
    const bool enough = ++requests_ % kRequestsPerConnection == 0;
    last_ = true;
    if (!socket_->Send("GET " + target_ + " HTTP/1.1\r\nHost: backend\r\n" +
                       (enough ? "Connection: close\r\n\r\n" : "\r\n"))) {
      return {.failure = "can't send"};
    }
    const auto head = socket_->ReadHead();
    if (!head) return {.failure = "no answer"};
    const std::size_t length = head->find("ontent-Length: ");
    if (length == std::string::npos) return {.failure = "no length: " + *head};
    const auto body = socket_->ReadBody(std::strtoul(head->c_str() + length + 15, nullptr, 10));
    if (!body) return {.failure = "half an answer"};
    if (!head->starts_with("HTTP/1.1 200 ")) return {.failure = head->substr(9, 3) + " " + *body};
    last_ = enough || Has(*head, "\r\nconnection: close");
    return {.pod = *body};
  }

  std::string address_;
  std::string target_;
  std::optional<Socket> socket_;
  long requests_ = 0;
  bool last_ = false;
};

struct Stats {
  std::mutex mutex;
  struct Pod {
    long count = 0;
    long first_ms = 0;
    long last_ms = 0;
  };
  std::map<std::string, Pod> by_pod;
  long failed = 0;
  std::vector<std::string> failures;  // the first ones

  void Count(const Outcome& outcome) {
    const std::lock_guard lock(mutex);
    if (outcome.failure.empty()) {
      Pod& pod = by_pod[outcome.pod];
      if (++pod.count == 1) pod.first_ms = outcome.sent_ms;
      pod.last_ms = NowMs();
    } else if (++failed; failures.size() < kMaxFailures) {
      failures.push_back(outcome.failure);
    }
  }
} g_stats;

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' || c == '\\' || c < ' ' ? ' ' : c;
  return quoted + '"';
}

std::string AnswerStats(std::string_view target) {
  const std::lock_guard lock(g_stats.mutex);
  std::string pods;
  std::string times;
  std::string failures;
  for (const auto& [name, pod] : g_stats.by_pod) {
    const std::string begin = (pods.empty() ? "" : ", ") + Quoted(name) + ": ";
    pods += begin + std::to_string(pod.count);
    times += begin + "[" + std::to_string(pod.first_ms) + ", " + std::to_string(pod.last_ms) + "]";
  }
  for (const std::string& one : g_stats.failures) {
    failures += (failures.empty() ? "" : ", ") + Quoted(one);
  }
  if (target == "/mark") {  // failures stay: none is forgiven
    g_stats.by_pod.clear();
  }
  return R"({"now_ms": )" + std::to_string(NowMs()) + R"(, "by_pod": {)" + pods +
         R"(}, "times_ms": {)" + times + R"(}, "failed": )" + std::to_string(g_stats.failed) +
         R"(, "failures": [)" + failures + "]}";
}

[[noreturn]] void Load(const std::string& address, const std::string& target, int rate, int port) {
  for (int i = 0; i < kConnections; ++i) {
    std::thread([=] {
      const auto pause = std::chrono::nanoseconds(std::chrono::seconds(kConnections)) / rate;
      Client client(address, target);
      std::mutex mutex;
      std::condition_variable never;
      std::unique_lock lock(mutex);
      for (auto next = Clock::now();; next = std::max(next + pause, Clock::now() - pause)) {
        never.wait_until(lock, next, [] { return false; });
        g_stats.Count(client.Request());
      }
    }).detach();
  }
  Serve(port, AnswerStats);
}

int Get(const std::string& address, const std::string& target, int count) {
  Client client(address, target);
  for (int i = 0; i < count; ++i) {
    const Outcome outcome = client.Request();
    std::cout << (outcome.failure.empty() ? outcome.pod : "failed: " + outcome.failure)
              << std::endl;
    if (!outcome.failure.empty()) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGTERM, [](int) { _exit(0); });  // as process 1 of a container it must be asked for
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "serve") Serve(std::stoi(words[1]), PodName);
  if (words.size() == 5 && words[0] == "load") {
    Load(words[1], words[2], std::stoi(words[3]), std::stoi(words[4]));
  }
  if (words.size() == 4 && words[0] == "get") return Get(words[1], words[2], std::stoi(words[3]));
  Fail("serve PORT | load IP:PORT TARGET RATE PORT | get IP:PORT TARGET COUNT");
}
