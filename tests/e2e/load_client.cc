// Load for the end-to-end tests: keep-alive clients that send mixed requests through the proxy to
// nginx backends (tests/e2e/peers/nginx.py) and check every answer byte for byte.
//
//   load_client IP PORT CLIENTS REQUESTS [SEED]
//
// One thread a client, blocking sockets. Prints one JSON object; exits 0 unless something is wrong.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kSamples = 5;
constexpr std::array<std::size_t, 10> kSizes = {0,    1,    17,    100,   1000,
                                                4096, 9999, 16384, 65537, 262144};

// The content of the file of this size: the Python side writes the same.
std::string Content(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>('a' + (i * 7 + i / 26 + size) % 26);
  }
  return text;
}

struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string ErrorText(const char* call) { return std::string(call) + ": " + std::strerror(errno); }

struct Answer {
  int status = 0;
  std::string backend;
  std::string body;
  std::int64_t content_length = -1;
  bool chunked = false;
  bool close = false;
};

// A blocking connection that opens itself when it is needed.
class Connection {
 public:
  explicit Connection(const sockaddr_in& address) : address_(address) {}
  ~Connection() { Close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Send(std::string_view data) {
    if (fd_ < 0) Open();
    while (!data.empty()) {
      const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw Wrong(ErrorText("send"));
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  Answer Read(bool head_only) {
    Answer answer = ReadHead();
    if (!head_only && answer.status != 204 && answer.status != 304) ReadBody(answer);
    if (answer.close) Close();
    return answer;
  }

  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    buffer_.clear();
    start_ = 0;
  }

 private:
  void Open() {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const timeval limit{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) != 0) {
      throw Wrong(ErrorText("connect"));
    }
  }

  void Fill() {
    buffer_.erase(0, start_);
    start_ = 0;
    char chunk[65536];
    const ssize_t count = ::recv(fd_, chunk, sizeof(chunk), 0);
    if (count <= 0) throw Wrong(count == 0 ? "the connection was closed early" : ErrorText("recv"));
    buffer_.append(chunk, static_cast<std::size_t>(count));
  }

  std::string Line() {
    for (;;) {
      const std::size_t end = buffer_.find("\r\n", start_);
      if (end != std::string::npos) {
        std::string line = buffer_.substr(start_, end - start_);
        start_ = end + 2;
        return line;
      }
      Fill();
    }
  }

  void Exactly(std::size_t count, std::string& to) {
    while (count > 0) {
      if (start_ == buffer_.size()) Fill();
      const std::size_t part = std::min(count, buffer_.size() - start_);
      to.append(buffer_, start_, part);
      start_ += part;
      count -= part;
    }
  }

  Answer ReadHead() {
    Answer answer;
    const std::string status = Line();
    if (!status.starts_with("HTTP/1.1 ") || status.size() < 12) throw Wrong("status: " + status);
    std::from_chars(status.data() + 9, status.data() + 12, answer.status);
    for (std::string line = Line(); !line.empty(); line = Line()) {
      const std::size_t colon = line.find(':');
      if (colon == std::string::npos) throw Wrong("field: " + line);
      std::string name = line.substr(0, colon);
      std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      });
      const std::size_t first = line.find_first_not_of(' ', colon + 1);
      const std::string value = first == std::string::npos ? "" : line.substr(first);
      if (name == "content-length") answer.content_length = std::stoll(value);
      if (name == "transfer-encoding") answer.chunked = value == "chunked";
      if (name == "connection") answer.close = value == "close";
      if (name == "x-backend") answer.backend = value;
    }
    return answer;
  }

  void ReadBody(Answer& answer) {
    if (!answer.chunked) {
      if (answer.content_length < 0) throw Wrong("an answer without a length");
      return Exactly(static_cast<std::size_t>(answer.content_length), answer.body);
    }
    for (;;) {
      const std::size_t size = std::stoul(Line(), nullptr, 16);
      if (size == 0) break;
      Exactly(size, answer.body);
      if (!Line().empty()) throw Wrong("a chunk without CRLF");
    }
    while (!Line().empty()) {
    }
  }

  const sockaddr_in address_;
  int fd_ = -1;
  std::string buffer_;
  std::size_t start_ = 0;
};

// What all clients share.
struct Run {
  std::atomic<std::int64_t> tickets = 0;  // requests that are left
  std::atomic<std::int64_t> done = 0;
  std::mutex mu;
  std::map<std::string, std::int64_t> per_backend;  // guarded by mu, like the rest
  std::int64_t wrong = 0;
  std::vector<std::string> samples;  // of what was wrong
};

class Client {
 public:
  Client(const sockaddr_in& address, int number, unsigned seed, Run& run)
      : connection_(address), number_(number), random_(seed), run_(run) {
    for (const std::size_t size : kSizes) contents_.push_back(Content(size));
  }

  void Work() {
    while (run_.tickets.fetch_sub(1) > 0) {
      try {
        One();
        ++run_.done;
      } catch (const std::exception& error) {
        connection_.Close();
        stored_ = false;
        const std::scoped_lock lock(run_.mu);
        ++run_.wrong;
        if (run_.samples.size() < kSamples) {
          run_.samples.push_back(what_ + " after " + previous_ + ": " + error.what());
        }
      }
    }
    const std::scoped_lock lock(run_.mu);
    for (const auto& [backend, count] : per_backend_) run_.per_backend[backend] += count;
  }

 private:
  // A stored file is read back and deleted before anything else is stored.
  void One() {
    const unsigned dice = random_() % 100;
    if (stored_ && dice < 70) return ReadBack();
    if (stored_) return Delete();
    if (dice < 45) return GetFile("/files/");
    if (dice < 55) return GetFile("/chunked/");
    if (dice < 65) return Head();
    if (dice < 78) return Post(false);
    if (dice < 85) return Post(true);
    if (dice < 95) return Put();
    if (dice < 98) return NotModified();
    Gone();
  }

  void GetFile(const std::string& where) {
    const std::size_t index = SizeIndex();
    const Answer answer = Exchange("GET", where + std::to_string(kSizes[index]));
    Expect(answer, 200);
    if (answer.body != contents_[index]) throw Wrong("the body differs");
  }

  void Head() {
    const std::size_t index = SizeIndex();
    const Answer answer = Exchange("HEAD", "/files/" + std::to_string(kSizes[index]));
    Expect(answer, 200);
    if (answer.content_length != static_cast<std::int64_t>(kSizes[index])) {
      throw Wrong("Content-Length differs");
    }
  }

  void Post(bool chunked) {
    static constexpr std::array<const char*, 3> kMethods = {"POST", "PATCH", "OPTIONS"};
    const std::string method = kMethods[random_() % kMethods.size()];
    const std::string& body = contents_[SizeIndex()];
    const std::string nonce = std::to_string(random_());
    std::string fields = "X-Nonce: " + nonce + "\r\n";
    std::string framed = body;
    if (chunked) {
      fields += "Transfer-Encoding: chunked\r\n";
      framed = Chunked(body);
    } else {
      fields += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    const Answer answer = Exchange(method, "/answer", fields, framed);
    Expect(answer, 200);
    const std::string length = chunked ? "" : std::to_string(body.size());
    if (answer.body != method + " " + length + " " + nonce + "\n") {
      throw Wrong("an answer to another request: " + answer.body);
    }
  }

  void Put() {
    stored_index_ = SizeIndex();
    const std::string& body = contents_[stored_index_];
    const Answer answer = Exchange("PUT", StorePath(),
                                   "Content-Length: " + std::to_string(body.size()) + "\r\n", body);
    if (answer.status != 201 && answer.status != 204) throw Wrong(StatusText(answer));
    stored_ = true;
  }

  void ReadBack() {
    const Answer answer = Exchange("GET", StorePath());
    Expect(answer, 200);
    if (answer.body != contents_[stored_index_]) throw Wrong("what was stored differs");
  }

  void Delete() {
    stored_ = false;
    Expect(Exchange("DELETE", StorePath()), 204);
  }

  void NotModified() {
    Expect(Exchange("GET", "/files/100", "If-Modified-Since: Tue, 19 Jan 2038 03:14:07 GMT\r\n"),
           304);
  }

  void Gone() {
    const std::string nonce = std::to_string(random_());
    const Answer answer = Exchange("GET", "/gone", "X-Nonce: " + nonce + "\r\n");
    Expect(answer, 410);
    if (answer.body != "gone " + nonce + "\n") throw Wrong("an answer to another request");
  }

  Answer Exchange(const std::string& method, const std::string& target,
                  const std::string& fields = "", std::string_view body = {}) {
    previous_ = std::exchange(what_, method + " " + target);
    std::string message =
        method + " " + target + " HTTP/1.1\r\nHost: app.example\r\n" + fields + "\r\n";
    message += body;
    connection_.Send(message);
    Answer answer = connection_.Read(method == "HEAD");
    ++per_backend_[answer.backend];
    return answer;
  }

  static std::string StatusText(const Answer& answer) {
    return "status " + std::to_string(answer.status) + " " + answer.body.substr(0, 200);
  }
  static void Expect(const Answer& answer, int status) {
    if (answer.status != status) throw Wrong(StatusText(answer));
  }

  // Small ones are common, large ones occur.
  std::size_t SizeIndex() { return std::min(random_() % kSizes.size(), random_() % kSizes.size()); }

  std::string StorePath() const { return "/store/client-" + std::to_string(number_); }

  std::string Chunked(const std::string& body) {
    std::string framed;
    for (std::size_t at = 0; at < body.size();) {
      const std::size_t part = std::min<std::size_t>(body.size() - at, 1 + random_() % 20'000);
      char size[32];
      std::snprintf(size, sizeof(size), "%zx\r\n", part);
      framed += size + body.substr(at, part) + "\r\n";
      at += part;
    }
    return framed + "0\r\n\r\n";
  }

  Connection connection_;
  const int number_;
  std::minstd_rand random_;
  Run& run_;
  std::vector<std::string> contents_;
  std::map<std::string, std::int64_t> per_backend_;
  std::string what_;
  std::string previous_;  // the request before, mostly on the same connection
  bool stored_ = false;
  std::size_t stored_index_ = 0;
};

std::string JsonText(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return "\"" + escaped + "\"";
}

void Print(const Run& run, double seconds) {
  std::string backends;
  for (const auto& [name, count] : run.per_backend) {
    backends += (backends.empty() ? "" : ", ") + JsonText(name) + ": " + std::to_string(count);
  }
  std::string samples;
  for (const std::string& sample : run.samples) {
    samples += (samples.empty() ? "" : ", ") + JsonText(sample);
  }
  std::printf(
      "{\"done\": %lld, \"wrong\": %lld, \"seconds\": %.2f, \"backends\": {%s}, "
      "\"samples\": [%s]}\n",
      static_cast<long long>(run.done), static_cast<long long>(run.wrong), seconds,
      backends.c_str(), samples.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: load_client IP PORT CLIENTS REQUESTS [SEED]\n");
    return 2;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) return 2;
  const int clients = std::atoi(argv[3]);
  const auto seed = static_cast<unsigned>(argc > 5 ? std::atoi(argv[5]) : 1);
  Run run;
  run.tickets = std::atoll(argv[4]);
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < clients; ++i) {
      threads.emplace_back(
          [&, i] { Client(address, i, seed * 1000 + static_cast<unsigned>(i) + 1, run).Work(); });
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  Print(run, took.count());
  return run.wrong == 0 ? 0 : 1;
}
