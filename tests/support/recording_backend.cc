#include "tests/support/recording_backend.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "tests/support/read_wait.h"

namespace remora::strict {
namespace {

// A sound receiver reads at once; one that does not may have hung up, which is its own affair.
constexpr std::chrono::milliseconds kPieceWait{20};
constexpr std::chrono::seconds kResetWait{2};

struct Answer {
  std::vector<std::string> pieces;
  RecordingBackend::Then then = RecordingBackend::Then::kKeep;
};

// The listing of one connection and what its own thread needs to serve it.
struct Live {
  RecordingBackend::Connection record;
  bool touched = true;  // something happened since the last Take
  std::string unread;   // of `record.bytes`: what no complete request has taken yet
  std::deque<std::string> unsent;
  bool tunnel = false;
  std::optional<RecordingBackend::Then> last;  // after `unsent`; nothing is read any more
};

Answer DefaultAnswer(const Message& request) {
  const std::string body = request.method + " " + request.target;
  std::string bytes = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
                      std::to_string(body.size()) + "\r\n";
  if (const auto name = request.Get("x-case")) bytes += "X-Seen: " + *name + "\r\n";
  bytes += "\r\n";
  if (request.method != "HEAD") bytes += body;
  return {.pieces = {std::move(bytes)}};
}

// Whatever follows such an answer is no HTTP/1.
bool OpensTunnel(const Message& request, const Answer& answer) {
  std::string bytes;
  for (const std::string& piece : answer.pieces) bytes += piece;
  return bytes.starts_with("HTTP/1.1 101 ") && request.HasToken("upgrade", "websocket");
}

// Tests can't go on without it.
int OrAbort(int result) {
  if (result < 0) std::abort();
  return result;
}

}  // namespace

class RecordingBackend::Impl {
 public:
  Impl();
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::uint16_t port() const { return port_; }
  void SetAnswer(std::optional<Answer> answer) {
    const std::lock_guard lock(mu_);
    answer_ = std::move(answer);
  }
  std::vector<Connection> Take();
  void CloseAll() { Do(Command::kCloseAll); }

 private:
  enum class Command { kNone, kTake, kCloseAll };

  // Has the thread do it, and waits.
  std::vector<Connection> Do(Command command);
  void Obey(Command command);
  void Wake();
  void Run();
  // True if something was there to handle.
  bool Handle(int timeout_ms);
  void Accept();
  void Read(int fd, Live& live);
  void ReadRequests(Live& live);
  void Queue(const Message& request, Live& live);
  // False when the connection is over.
  bool Send(int fd, Live& live);
  void Watch(int operation, int fd, std::uint32_t events) const;
  void Close(int fd);
  std::vector<Connection> Collect();

  int listener_ = -1;
  int epoll_ = -1;
  int wake_ = -1;
  std::uint16_t port_ = 0;

  std::mutex command_mu_;  // one command at a time; before mu_
  std::mutex mu_;
  std::condition_variable changed_;
  // Under mu_.
  bool stopping_ = false;
  Command command_ = Command::kNone;
  std::optional<Answer> answer_;
  std::vector<Connection> taken_;

  // The thread's own.
  std::uint64_t accepted_ = 0;
  std::uint64_t requests_ = 0;
  std::map<int, Live> live_;        // by descriptor
  std::vector<Connection> closed_;  // since the last Take

  std::thread thread_;
};

RecordingBackend::Impl::Impl() {
  listener_ = OrAbort(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  OrAbort(bind(listener_, generic, size));
  OrAbort(listen(listener_, 1024));
  OrAbort(getsockname(listener_, generic, &size));
  port_ = ntohs(address.sin_port);
  epoll_ = OrAbort(epoll_create1(EPOLL_CLOEXEC));
  wake_ = OrAbort(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  Watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
  Watch(EPOLL_CTL_ADD, wake_, EPOLLIN);
  thread_ = std::thread([this] { Run(); });
}

RecordingBackend::Impl::~Impl() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
  for (const auto& [fd, live] : live_) close(fd);
  close(wake_);
  close(epoll_);
  close(listener_);
}

void RecordingBackend::Impl::Wake() {
  const std::uint64_t one = 1;
  OrAbort(static_cast<int>(write(wake_, &one, sizeof(one))));
}

std::vector<RecordingBackend::Connection> RecordingBackend::Impl::Take() {
  return Do(Command::kTake);
}

std::vector<RecordingBackend::Connection> RecordingBackend::Impl::Do(Command command) {
  const std::lock_guard one(command_mu_);
  std::unique_lock lock(mu_);
  command_ = command;
  Wake();
  changed_.wait(lock, [this] { return command_ == Command::kNone; });
  return std::exchange(taken_, {});
}

void RecordingBackend::Impl::Run() {
  Command command = Command::kNone;
  for (;;) {
    const bool handled = Handle(command == Command::kNone ? -1 : 0);
    const std::lock_guard lock(mu_);
    if (stopping_) return;
    // Only when nothing more is there: what had arrived before the call is in.
    if (command != Command::kNone && !handled) {
      Obey(command);
      command_ = Command::kNone;
      changed_.notify_all();
    }
    command = command_;
  }
}

void RecordingBackend::Impl::Obey(Command command) {
  if (command == Command::kTake) taken_ = Collect();
  while (command == Command::kCloseAll && !live_.empty()) Close(live_.begin()->first);
}

bool RecordingBackend::Impl::Handle(int timeout_ms) {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  bool handled = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const int fd = event.data.fd;
    if (fd == wake_) {
      std::uint64_t scrap = 0;
      if (read(wake_, &scrap, sizeof(scrap)) > 0) continue;
    }
    handled = true;
    if (fd == listener_) {
      Accept();
      continue;
    }
    const auto found = live_.find(fd);
    if (found == live_.end()) continue;
    if ((event.events & EPOLLOUT) != 0 && !Send(fd, found->second)) continue;
    if ((event.events & ~EPOLLOUT) != 0) Read(fd, found->second);
  }
  return handled;
}

void RecordingBackend::Impl::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    Watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    live_[fd].record.number = ++accepted_;
  }
}

void RecordingBackend::Impl::Read(int fd, Live& live) {
  std::array<char, 65536> bytes;
  ssize_t count = 0;
  while ((count = recv(fd, bytes.data(), bytes.size(), 0)) > 0) {
    const std::string_view got(bytes.data(), static_cast<std::size_t>(count));
    live.touched = true;
    live.record.bytes += got;
    if (!live.tunnel) live.unread += got;
  }
  const bool ended = count == 0 || (errno != EAGAIN && errno != EINTR);
  ReadRequests(live);
  if (!Send(fd, live)) return;
  if (ended) {
    live.record.ended = true;
    Close(fd);
  } else if (!live.record.problem.empty()) {
    Close(fd);
  }
}

void RecordingBackend::Impl::ReadRequests(Live& live) {
  while (!live.tunnel && !live.last && !live.unread.empty()) {
    Parsed parsed = ParseRequest(live.unread);
    if (parsed.outcome == Outcome::kMalformed) live.record.problem = std::move(parsed.problem);
    if (parsed.outcome != Outcome::kComplete) break;
    live.unread.erase(0, parsed.size);
    Queue(parsed.message, live);
    live.record.requests.push_back(std::move(parsed.message));
    live.record.order.push_back(++requests_);
  }
  live.record.partial = !live.unread.empty();
}

void RecordingBackend::Impl::Queue(const Message& request, Live& live) {
  Answer answer;
  bool own = false;
  {
    const std::lock_guard lock(mu_);
    own = answer_ && !request.target.starts_with("/canary");
    if (own) answer = *answer_;
  }
  if (!own) answer = DefaultAnswer(request);
  const bool tunnel = OpensTunnel(request, answer);
  for (std::string& piece : answer.pieces) live.unsent.push_back(std::move(piece));
  if (answer.then != Then::kKeep) live.last = answer.then;
  if (tunnel) {
    live.tunnel = true;
    live.unread.clear();
  }
}

bool RecordingBackend::Impl::Send(int fd, Live& live) {
  while (!live.unsent.empty()) {
    std::string& piece = live.unsent.front();
    const ssize_t sent = send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      Watch(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
      return true;
    }
    if (sent < 0) {
      live.touched = true;
      live.record.ended = true;
      Close(fd);
      return false;
    }
    piece.erase(0, static_cast<std::size_t>(sent));
    if (!piece.empty()) continue;
    live.unsent.pop_front();
    if (!live.unsent.empty()) WaitUntilRead(fd, kPieceWait);
  }
  if (!live.last) {
    Watch(EPOLL_CTL_MOD, fd, EPOLLIN);
    return true;
  }
  if (*live.last == Then::kReset) {
    // A reset takes back what is still on its way, which on a busy machine may be all of it.
    WaitUntilRead(fd, kResetWait);
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  }
  Close(fd);
  return false;
}

void RecordingBackend::Impl::Watch(int operation, int fd, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  OrAbort(epoll_ctl(epoll_, operation, fd, &event));
}

void RecordingBackend::Impl::Close(int fd) {
  const auto found = live_.find(fd);
  if (found->second.touched || found->second.record.ended) {
    closed_.push_back(std::move(found->second.record));
  }
  live_.erase(found);
  close(fd);
}

std::vector<RecordingBackend::Connection> RecordingBackend::Impl::Collect() {
  std::vector<Connection> all = std::exchange(closed_, {});
  for (auto& [fd, live] : live_) {
    if (!std::exchange(live.touched, false)) continue;
    all.push_back(live.record);
    live.record.bytes.clear();
    live.record.requests.clear();
    live.record.order.clear();
  }
  std::ranges::sort(all, {}, &Connection::number);
  return all;
}

RecordingBackend::RecordingBackend() : impl_(std::make_unique<Impl>()) {}
RecordingBackend::~RecordingBackend() = default;

std::uint16_t RecordingBackend::port() const { return impl_->port(); }

std::string RecordingBackend::url() const { return "http://127.0.0.1:" + std::to_string(port()); }

void RecordingBackend::SetAnswer(std::string bytes, Then then) {
  SetAnswerInPieces({std::move(bytes)}, then);
}

void RecordingBackend::SetAnswerInPieces(std::vector<std::string> pieces, Then then) {
  std::erase_if(pieces, [](const std::string& piece) { return piece.empty(); });
  impl_->SetAnswer(Answer{.pieces = std::move(pieces), .then = then});
}

void RecordingBackend::ClearAnswer() { impl_->SetAnswer(std::nullopt); }

void RecordingBackend::CloseAll() { impl_->CloseAll(); }

std::vector<RecordingBackend::Connection> RecordingBackend::Take() { return impl_->Take(); }

}  // namespace remora::strict
