// Makes load on one port of loopback and measures it, on one thread; the result is one line of
// JSON.
//
// Closed loop: each connection sends its next request when its answer is complete. Open loop
// (--rate): requests are due at fixed times and wait for a free connection; their time counts from
// when they were due, so a proxy that stalls pays for all that wait (no coordinated omission).
// --hold opens connections that ask once and stay idle, says "held", and asks again on all of them
// for each line on stdin ("asked"), until stdin ends.
//
// The usage is in load_options.cc.
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/tools/histogram.h"
#include "tests/bench/tools/load_options.h"
#include "tests/bench/tools/sockets.h"

namespace remora::bench {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kPatience = 5 * kSecond;  // for answers that are still awaited at the end
constexpr std::uint64_t kTooManyErrors = 1000;

std::uint64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t Nanoseconds(double seconds) {
  return static_cast<std::uint64_t>(seconds * static_cast<double>(kSecond));
}

struct Errors {
  std::uint64_t connect = 0, status = 0, length = 0, cut = 0, unanswered = 0;
  [[nodiscard]] std::uint64_t all() const { return connect + status + length + cut + unanswered; }
};

struct Connection {
  enum class State { kIdle, kSending, kHead, kBody, kEnd };

  int fd = -1;
  State state = State::kIdle;
  std::uint64_t due = 0;     // when its request was to be sent
  std::uint64_t sent = 0;    // bytes of the request
  std::uint64_t unread = 0;  // bytes of the answer's body
  bool is_last = false;      // the answer says that the server closes
  std::string head;
};

struct Head {
  std::string_view status;
  std::uint64_t length = ~std::uint64_t{0};
  bool is_last = false;
};

bool SameName(std::string_view name, std::string_view lower) {
  return name.size() == lower.size() &&
         std::equal(name.begin(), name.end(), lower.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

Head ReadHead(std::string_view text) {
  Head head{.status = text.substr(std::min(text.size(), text.find(' ') + 1), 3)};
  for (std::size_t at = text.find("\r\n") + 2; at < text.size();) {
    const std::size_t end = std::min(text.find("\r\n", at), text.size());
    const std::string_view line = text.substr(at, end - at);
    const std::size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    if (SameName(name, "content-length")) {
      std::from_chars(value.data(), value.data() + value.size(), head.length);
    } else if (SameName(name, "connection")) {
      head.is_last = SameName(value, "close");
    }
    at = end + 2;
  }
  return head;
}

class Load {
 public:
  explicit Load(const LoadOptions& options)
      : options_(options),
        request_(MakeRequest(options)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        buffer_(256 * 1024, '\0'),
        connections_(options.hold > 0 ? options.hold : options.connections) {
    if (epoll_ < 0) DieOfErrno("epoll_create1");
    // Without this a wait takes up to 50 us longer than asked.
    prctl(PR_SET_TIMERSLACK, 1);
  }

  void Run() {
    begin_ = Now() + Nanoseconds(options_.requests > 0 ? 0 : options_.warm_up);
    stop_ = options_.requests > 0 ? ~std::uint64_t{0} : begin_ + Nanoseconds(options_.seconds);
    next_due_ = Now();
    for (Connection& connection : connections_) free_.push_back(&connection);
    while (true) {
      const std::uint64_t now = Now();
      if (IsOver(now) && busy_ == 0) break;
      if (stop_ != ~std::uint64_t{0} && now > stop_ + kPatience) break;
      StartDue(now);
      Turn(WaitUntil());
    }
    errors_.unanswered += busy_;
    ended_ = Now();
  }

  // Returns when stdin has ended.
  void Hold() {
    begin_ = Now();
    stop_ = ~std::uint64_t{0};
    if (options_.burst) {
      AskAll(64, true);
      AskAll(connections_.size(), false);
    } else {
      AskAll(4, false);
    }
    std::cout << "held" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
      AskAll(64, false);
      std::cout << "asked" << std::endl;
    }
    ended_ = Now();
  }

  void Print() const {
    const double seconds =
        static_cast<double>(std::min(stop_, ended_) - begin_) / static_cast<double>(kSecond);
    const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000; };
    std::printf(
        "{\"requests\": %lu, \"measured\": %lu, \"seconds\": %.6f, \"per_second\": %.1f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, "
        "\"body_bytes\": %lu, \"connects\": %lu, \"errors\": %lu, \"connect_errors\": %lu, "
        "\"status_errors\": %lu, \"length_errors\": %lu, \"cut_errors\": %lu, \"unanswered\": "
        "%lu}\n",
        completed_, in_time_, seconds, static_cast<double>(in_time_) / seconds, us(times_.At(0.5)),
        us(times_.At(0.99)), us(times_.At(0.999)), us(times_.largest()), body_bytes_, connects_,
        errors_.all(), errors_.connect, errors_.status, errors_.length, errors_.cut,
        errors_.unanswered);
  }

  [[nodiscard]] std::uint64_t errors() const { return errors_.all(); }

 private:
  [[nodiscard]] bool IsOver(std::uint64_t now) const {
    return options_.requests > 0 ? started_ >= options_.requests : now >= stop_;
  }

  void StartDue(std::uint64_t now) {
    while (!free_.empty() && !IsOver(now)) {
      std::uint64_t due = now;
      if (options_.rate > 0) {
        if (next_due_ > now) return;
        due = next_due_;
        // Counted from the first, so that no error of rounding adds up.
        ++paced_;
        next_due_ = first_due() + Nanoseconds(static_cast<double>(paced_) / options_.rate);
      }
      Connection& connection = *free_.back();
      free_.pop_back();
      Start(connection, due);
    }
  }

  std::uint64_t first_due() {
    if (first_due_ == 0) first_due_ = next_due_;
    return first_due_;
  }

  [[nodiscard]] std::uint64_t WaitUntil() const {
    const std::uint64_t end = stop_ == ~std::uint64_t{0} ? stop_ : stop_ + kPatience;
    if (options_.rate > 0 && !free_.empty() && next_due_ < stop_) return next_due_;
    return busy_ > 0 ? end : std::min(stop_, end);
  }

  // In hold mode: all connections, so many at a time; only the connection itself when
  // `connect_only`.
  void AskAll(std::uint64_t at_once, bool connect_only) {
    connect_only_ = connect_only;
    std::size_t next = 0;
    while (next < connections_.size() || busy_ > 0) {
      while (next < connections_.size() && busy_ < at_once) Start(connections_[next++], Now());
      if (busy_ > 0) Turn(~std::uint64_t{0});
    }
  }

  void Start(Connection& c, std::uint64_t due) {
    ++started_;
    ++busy_;
    c.due = due;
    c.sent = 0;
    c.state = Connection::State::kSending;
    if (c.fd >= 0) {
      Send(c);
      return;
    }
    c.fd = StartConnect(options_.port);
    if (c.fd < 0) {
      Fail(c, errors_.connect);
      return;
    }
    ++connects_;
    Watch(epoll_, c.fd, &c);
  }

  void Turn(std::uint64_t until) {
    std::array<epoll_event, 256> events{};
    const std::uint64_t now = Now();
    const std::uint64_t wait = until > now ? std::min(until - now, kPatience) : 0;
    const timespec timeout{.tv_sec = static_cast<time_t>(wait / kSecond),
                           .tv_nsec = static_cast<long>(wait % kSecond)};
    const int count =
        epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    if (count < 0 && errno != EINTR) DieOfErrno("epoll_pwait2");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      Handle(*static_cast<Connection*>(event.data.ptr), event.events);
    }
  }

  void Handle(Connection& c, std::uint32_t events) {
    const bool is_ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (c.state == Connection::State::kIdle) {
      if (!is_ended) return;
      // A kept connection that the proxy gives up; in hold mode that is what must not happen.
      if (options_.hold > 0) ++errors_.cut;
      Close(c);
      return;
    }
    if (c.state == Connection::State::kSending && (events & EPOLLOUT) != 0) Send(c);
    if (c.state == Connection::State::kIdle || c.fd < 0) return;
    if ((events & EPOLLIN) != 0 || is_ended) Read(c, is_ended);
  }

  void Send(Connection& c) {
    if (connect_only_) {
      Finish(c);
      return;
    }
    while (c.sent < request_.size()) {
      const ssize_t sent =
          send(c.fd, request_.data() + c.sent, request_.size() - c.sent, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno != EAGAIN) Fail(c, errors_.cut);
        return;
      }
      c.sent += static_cast<std::uint64_t>(sent);
    }
    c.state = Connection::State::kHead;
    c.head.clear();
  }

  void Read(Connection& c, bool is_ended) {
    while (c.state != Connection::State::kIdle && c.fd >= 0) {
      // What is left of a body is thrown away in the kernel: this process is not what is measured.
      const bool is_body = c.state == Connection::State::kBody;
      const std::size_t want =
          is_body ? std::min<std::uint64_t>(c.unread, 1 << 20) : buffer_.size();
      const ssize_t read = recv(c.fd, buffer_.data(), want, is_body ? MSG_TRUNC : 0);
      if (read < 0 && errno == EAGAIN) return;
      if (read <= 0) {
        if (c.state == Connection::State::kEnd) {
          Complete(c);
        } else {
          Fail(c, errors_.cut);
        }
        return;
      }
      const auto size = static_cast<std::size_t>(read);
      if (is_body) {
        TakeBody(c, size);
      } else {
        TakeHead(c, std::string_view(buffer_.data(), size));
      }
      if (size < want && !is_ended) return;
    }
  }

  void TakeHead(Connection& c, std::string_view data) {
    if (c.state != Connection::State::kHead) {  // an answer to half a request, or bytes behind one
      Fail(c, errors_.length);
      return;
    }
    if (!c.head.empty()) {
      c.head.append(data);
      data = c.head;
    }
    const std::size_t end = data.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      if (c.head.empty()) c.head.assign(data);
      return;
    }
    const Head head = ReadHead(data.substr(0, end));
    const std::size_t body = data.size() - end - 4;
    if (head.status != "200") {
      Fail(c, errors_.status);
    } else if (head.length != options_.expect || body > head.length) {
      Fail(c, errors_.length);
    } else {
      c.is_last = head.is_last;
      c.unread = head.length;
      c.state = Connection::State::kBody;
      TakeBody(c, body);
    }
  }

  void TakeBody(Connection& c, std::size_t size) {
    c.unread -= size;
    if (c.unread > 0) return;
    if (c.is_last) {
      c.state = Connection::State::kEnd;
    } else {
      Complete(c);
    }
  }

  void Complete(Connection& c) {
    const std::uint64_t now = Now();
    ++completed_;
    body_bytes_ += options_.expect + options_.body;
    if (c.due >= begin_) times_.Add(now - c.due);
    if (now >= begin_ && now < stop_) ++in_time_;
    if (options_.close || c.is_last) Close(c);
    c.is_last = false;
    Finish(c);
  }

  void Fail(Connection& c, std::uint64_t& counter) {
    ++counter;
    if (errors_.all() > kTooManyErrors) {
      Print();
      std::exit(1);
    }
    Close(c);
    Finish(c);
  }

  void Finish(Connection& c) {
    --busy_;
    c.state = Connection::State::kIdle;
    if (options_.hold > 0) return;
    if (options_.rate == 0 && !IsOver(Now()) && c.fd >= 0) {
      Start(c, Now());
    } else {
      free_.push_back(&c);
    }
  }

  static void Close(Connection& c) {
    if (c.fd >= 0) close(c.fd);
    c.fd = -1;
  }

  const LoadOptions options_;
  const std::string request_;
  const int epoll_;
  std::string buffer_;
  std::vector<Connection> connections_;
  std::vector<Connection*> free_;
  bool connect_only_ = false;

  std::uint64_t begin_ = 0, stop_ = 0, ended_ = 0;
  std::uint64_t next_due_ = 0, first_due_ = 0, paced_ = 0;
  std::uint64_t started_ = 0, busy_ = 0, completed_ = 0, in_time_ = 0;
  std::uint64_t body_bytes_ = 0, connects_ = 0;
  Histogram times_;
  Errors errors_;
};

int Main(int argc, char** argv) {
  const LoadOptions options = ReadLoadOptions(argc, argv);
  RaiseFileLimit();
  Load load(options);
  if (options.hold > 0) {
    load.Hold();
  } else {
    load.Run();
  }
  load.Print();
  return load.errors() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace remora::bench

int main(int argc, char** argv) { return remora::bench::Main(argc, argv); }
