#include "tests/soak/pipeline_backends.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <string_view>

#include "tests/soak/cut_stream.h"
#include "tests/soak/message_plan.h"
#include "tests/soak/message_reader.h"

namespace remora::soak {
namespace {

constexpr std::uint64_t kCutKey = 0x5EED'0000'0000'0004;

bool ParseNumber(std::string_view text, int base, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

}  // namespace

struct PipelineBackends::Backend {
  int listener = -1;
  std::uint16_t port = 0;
  std::atomic<std::uint64_t> requests = 0;
};

struct PipelineBackends::Connection {
  int fd = -1;
  Backend* backend = nullptr;
  bool watches_out = false;
  bool closing = false;  // once everything is sent
  MessageReader reader;
  CutStream out;
  // Of the request that is being read.
  std::uint64_t id = 0;
  std::string method;
  AnswerPlan plan;

  ~Connection() { close(fd); }
};

PipelineBackends::PipelineBackends(std::size_t count)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), stop_(eventfd(0, EFD_CLOEXEC)) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = stop_}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_, &event);
  for (std::size_t i = 0; i < count; ++i) {
    auto backend = std::make_unique<Backend>();
    backend->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(backend->listener, generic, size) != 0 || listen(backend->listener, 1024) != 0 ||
        getsockname(backend->listener, generic, &size) != 0) {
      throw std::runtime_error("a backend can't listen");
    }
    backend->port = ntohs(address.sin_port);
    event = {.events = EPOLLIN, .data = {.fd = backend->listener}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, backend->listener, &event);
    backends_.push_back(std::move(backend));
  }
  thread_ = std::thread([this] { Run(); });
}

PipelineBackends::~PipelineBackends() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_, &one, sizeof(one));
  thread_.join();
  connections_.clear();
  for (const auto& backend : backends_) close(backend->listener);
  close(stop_);
  close(epoll_);
}

std::vector<std::string> PipelineBackends::urls() const {
  std::vector<std::string> all;
  for (const auto& backend : backends_) {
    all.push_back("http://127.0.0.1:" + std::to_string(backend->port));
  }
  return all;
}

std::vector<std::uint64_t> PipelineBackends::requests() const {
  std::vector<std::uint64_t> all;
  for (const auto& backend : backends_) all.push_back(backend->requests);
  return all;
}

std::string PipelineBackends::problem() const {
  const std::scoped_lock lock(mu_);
  return problem_;
}

bool PipelineBackends::Fail(const Connection& connection, const std::string& what) {
  const std::scoped_lock lock(mu_);
  if (problem_.empty()) {
    problem_ = "at a backend: " + what + "\n  last head: " + connection.reader.head() +
               "  body so far: " + std::to_string(connection.reader.body().size()) + " bytes";
  }
  return false;
}

void PipelineBackends::Run() {
  std::array<epoll_event, 64> events;
  for (;;) {
    const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const int fd = event.data.fd;
      if (fd == stop_) return;
      bool listening = false;
      for (const auto& backend : backends_) {
        if (fd != backend->listener) continue;
        Accept(*backend);
        listening = true;
      }
      if (listening) continue;
      auto& connection = connections_[static_cast<std::size_t>(fd)];
      bool open = true;
      if ((event.events & EPOLLOUT) != 0) open = Send(*connection);
      if (open && (event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
        open = OnReadable(*connection);
      }
      if (open) {
        Watch(*connection);
      } else {
        connection.reset();
      }
    }
  }
}

void PipelineBackends::Accept(Backend& backend) {
  const int fd = accept4(backend.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  ++accepted_;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const auto index = static_cast<std::size_t>(fd);
  if (connections_.size() <= index) connections_.resize(index + 1);
  connections_[index] = std::make_unique<Connection>();
  connections_[index]->fd = fd;
  connections_[index]->backend = &backend;
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

// One piece is sent each time that epoll says so.
void PipelineBackends::Watch(Connection& connection) {
  const bool out = connection.out.ready();
  if (out == connection.watches_out) return;
  connection.watches_out = out;
  epoll_event event{.events = out ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {.fd = connection.fd}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
}

bool PipelineBackends::Send(Connection& connection) {
  if (!connection.out.ready()) return true;
  if (!connection.out.Send(connection.fd)) {
    return Fail(connection, "the proxy did not read an answer to its end");
  }
  return !(connection.closing && connection.out.empty());
}

// These return false when the connection is to be closed.
bool PipelineBackends::OnReadable(Connection& connection) {
  const ssize_t count = recv(connection.fd, buffer_.data(), buffer_.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (count <= 0) {
    if (!connection.reader.idle()) return Fail(connection, "half a request, then the end");
    if (!connection.out.empty()) return Fail(connection, "the proxy left before the answer");
    return false;
  }
  std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
  for (;;) {
    if (connection.closing && !bytes.empty()) {
      return Fail(connection, "bytes behind a request that was told to be the last");
    }
    const auto event = connection.reader.Read(bytes);
    if (event == MessageReader::Event::kNeedMore) return Send(connection);
    if (event == MessageReader::Event::kBad) return Fail(connection, connection.reader.problem());
    if (event == MessageReader::Event::kHead) {
      if (!OnHead(connection)) return false;
    } else {
      OnRequest(connection);
    }
  }
}

bool PipelineBackends::OnHead(Connection& connection) {
  MessageReader& reader = connection.reader;
  const std::string_view start = reader.start();
  const std::size_t space = start.find(' ');
  // "METHOD /m/<id>?x=... HTTP/1.1"
  if (space == std::string_view::npos || !start.ends_with(" HTTP/1.1") ||
      !start.substr(space + 1).starts_with("/m/") || start.size() < space + 20 ||
      !ParseNumber(start.substr(space + 4, 16), 16, connection.id)) {
    return Fail(connection, "a bad request line");
  }
  if (reader.Field("X-Id") != Hex(connection.id))
    return Fail(connection, "X-Id is not the target's");
  if (reader.Field("Host") != "soak.test") return Fail(connection, "a bad Host");
  if (!connection.out.empty()) return Fail(connection, "a request before the answer was sent");
  connection.method = start.substr(0, space);
  const std::string length = reader.Field("Content-Length");
  std::uint64_t bytes = 0;
  if (reader.Has("Transfer-Encoding")) {
    if (reader.Field("Transfer-Encoding") != "chunked" || reader.Has("Content-Length")) {
      return Fail(connection, "bad framing");
    }
    reader.StartBody(Framing::kChunked, 0);
  } else if (reader.Has("Content-Length")) {
    if (!ParseNumber(length, 10, bytes)) return Fail(connection, "a bad Content-Length");
    reader.StartBody(Framing::kLength, bytes);
  } else {
    reader.StartBody(Framing::kNone, 0);
  }
  const bool expects = reader.Has("Expect");
  connection.plan = PlanAnswer(connection.id, connection.method, expects);
  for (const unsigned status : connection.plan.early) {
    AppendInterim(connection.id, status, connection.out.bytes());
  }
  return true;
}

void PipelineBackends::OnRequest(Connection& connection) {
  MessageReader& reader = connection.reader;
  const AnswerPlan& plan = connection.plan;
  std::string_view trailer = reader.trailers();
  constexpr std::string_view kName = "X-Checksum: ";
  if (trailer.starts_with(kName)) trailer.remove_prefix(kName.size());
  if (trailer.ends_with("\r\n")) trailer.remove_suffix(2);
  CutStream& out = connection.out;
  const std::size_t begin = out.bytes().size();
  for (const unsigned status : plan.late) AppendInterim(connection.id, status, out.bytes());
  AppendAnswer(connection.id, plan,
               {.method = connection.method,
                .wants_trailers = reader.Field("TE") == "trailers",
                .trailer = std::string(trailer),
                .body = reader.body()},
               out.bytes());
  Random random(connection.id ^ kCutKey);
  out.Cut(PlanCuts(out.bytes(), begin, random));
  connection.closing = plan.close;
  ++connection.backend->requests;
  reader.Reset();
}

}  // namespace remora::soak
