#include "tests/fuzz/exchange_world.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

#include "proxy/base/http_date.h"
#include "proxy/base/log.h"
#include "proxy/base/request_id.h"
#include "proxy/base/settings.h"
#include "proxy/downstream/connection_set.h"
#include "proxy/downstream/http1_session.h"
#include "proxy/forward/forwarder.h"
#include "proxy/net/loop.h"
#include "proxy/net/spawn.h"
#include "proxy/net/stream.h"
#include "proxy/observe/limit_hits.h"
#include "proxy/registry/backend.h"
#include "proxy/registry/backend_set.h"
#include "proxy/upstream/pool.h"
#include "tests/fuzz/forwarding.h"

namespace remora::fuzz {
namespace {

using namespace remora::proxy;

constexpr std::string_view kViaName = "remora-fuzz";
constexpr std::string_view kDefaultAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

void Require(bool holds, std::string_view what) {
  if (!holds) Violation(what, {{"errno", std::strerror(errno)}});
}

// The backend's door: an abstract name that the kernel chooses, for the whole process.
class BackendListener {
 public:
  static BackendListener& Get() {
    static BackendListener listener;
    return listener;
  }

  const SocketAddress& address() const { return address_; }
  // -1 if nobody waits.
  int Accept() { return accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); }

 private:
  BackendListener() : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t size = sizeof(sa_family_t);  // autobind
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    Require(bind(fd_, generic, size) == 0 && listen(fd_, 64) == 0, "cannot listen");
    size = sizeof(address);
    Require(getsockname(fd_, generic, &size) == 0, "no name");
    address_ = SocketAddress(generic, size);
  }

  int fd_;
  SocketAddress address_;
};

// For the whole process: seeding it takes as long as half an exchange.
RequestIdSource& RequestIds() {
  static RequestIdSource source;
  return source;
}

class NoEvents final : public BackendEvents {
 public:
  void OnDrained(const Backend&) override {}
  void OnConnectFailed(const Backend&) override {}
};

struct Received {
  bool any = false;
  bool ended = false;
};

// All that is there.
Received Receive(int fd, std::string& into) {
  Received received;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t bytes = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (bytes > 0) {
      into.append(buffer.data(), static_cast<std::size_t>(bytes));
      received.any = true;
    } else {
      received.ended = bytes == 0 || errno != EAGAIN;
      return received;
    }
  }
}

// How much of it went; nullopt if the other end is gone.
std::optional<std::size_t> Send(int fd, std::string_view bytes) {
  const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN) return 0;
  return std::nullopt;
}

void CloseFd(int& fd) {
  if (fd >= 0) close(std::exchange(fd, -1));
}

// Framing fields in a 1xx are malformed to the oracle; the proxy stops them, and the answer counts.
bool EndsIn101(std::string_view answer) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  for (;;) {
    const strict::Parsed parsed = strict::ParseResponse(answer, "GET", false);
    const std::size_t end = answer.find(kEnd);
    const bool read = parsed.head_complete || IsStoppedFraming(parsed);
    if (!read || end == std::string_view::npos || parsed.message.status >= 200) return false;
    if (parsed.message.status == 101) return true;
    answer.remove_prefix(end + kEnd.size());
  }
}

// How many of the bytes are an answer after which another may follow; nullopt: none may.
std::optional<std::size_t> SizeOfAnswer(std::string_view bytes, const std::string& method) {
  std::size_t size = 0;
  for (;;) {
    const strict::Parsed parsed = strict::ParseResponse(bytes.substr(size), method, false);
    const strict::Message& answer = parsed.message;
    const bool keeps = answer.minor_version == 1 || answer.HasToken("connection", "keep-alive");
    if (IsStoppedFraming(parsed)) {
      size = bytes.find("\r\n\r\n", size) + 4;
    } else if (parsed.outcome == strict::Outcome::kComplete) {
      size += parsed.size;
    } else {
      return std::nullopt;
    }
    if (answer.status >= 200 || answer.status == 101) {
      const bool ends = answer.status == 101 || !keeps || answer.HasToken("connection", "close");
      return ends ? std::nullopt : std::optional(size);
    }
  }
}

}  // namespace

Script ReadScript(std::string_view input) {
  Script script;
  const auto options = static_cast<unsigned char>(input.empty() ? '@' : input.front());
  script.trigger = static_cast<Script::Trigger>(options & 3);
  script.close_after_answer = (options & 4) != 0;
  const unsigned ending = (options >> 3) & 3;
  script.ending = ending < 2    ? Script::Ending::kOpen
                  : ending == 2 ? Script::Ending::kHalfClose
                                : Script::Ending::kClose;
  constexpr std::size_t kFew = 512;  // one turn of the loop for each byte
  script.pieces = (options & 32) == 0                            ? Script::Pieces::kWhole
                  : (options & 128) != 0 && input.size() <= kFew ? Script::Pieces::kBytes
                                                                 : Script::Pieces::kRandom;
  if ((options & 64) != 0) script.prefix = "/base";
  input.remove_prefix(std::min<std::size_t>(1, input.size()));
  std::vector<std::string> parts;
  for (bool more = true; more;) {
    const std::size_t end = input.find(Script::kSeparator);
    parts.emplace_back(input.substr(0, end));
    more = end != std::string_view::npos;
    if (more) input.remove_prefix(end + Script::kSeparator.size());
  }
  script.client = std::move(parts.front());
  script.answers.assign(std::make_move_iterator(parts.begin() + 1),
                        std::make_move_iterator(parts.end()));
  return script;
}

// In the order in which a worker has them.
struct World::Plane {
  explicit Plane(const std::string& prefix)
      : backend(std::make_shared<Backend>(
            "default", "s0", "uid-s0",
            BackendUrl{.host = "backend.test", .port = 8080, .unix_path = {}, .prefix = prefix},
            &events)),
        metrics({"default"}, 1),
        reporter("default", 0, metrics.worker(0).pools[0], nullptr),
        upstream(loop, metrics.worker(0).connections),
        connections(loop, hits),
        forwarder(loop, upstream, hits, reporter, pool, kViaName,
                  [this]() -> const BackendSet& { return set; }) {
    backend->SetAddresses({BackendListener::Get().address()});
    set.eligible.push_back({.backend = backend.get(), .weight = 1, .max_active = 0});
    set.max_weight = 1;
    set.total = 1;
    set.backends.push_back(backend);
    connections.SetParkedHandlers(
        [this](IdleConnection connection) { Serve(std::move(connection)); },
        [this] { ended = true; });
  }

  // As Worker::Serve and Worker::OnServed.
  void Serve(IdleConnection connection) {
    const SessionContext context{.loop = &loop,
                                 .connections = &connections,
                                 .forwarder = &forwarder,
                                 .listener = &listener,
                                 .pool = &pool,
                                 .date = &date,
                                 .request_ids = &RequestIds(),
                                 .limit_hits = &hits,
                                 .reporter = &reporter,
                                 .via_name = kViaName};
    net::Spawn(loop, ServeHttp1(context, std::move(connection)),
               [this](const std::exception_ptr& failure, IdleConnection idle) {
                 if (failure) Violation("the session has ended by an exception", {});
                 if (idle.stream == nullptr) {
                   ended = true;
                   return;
                 }
                 connections.Park(std::move(idle), ParkedTimeout(listener));
               });
  }

  const PoolSettings pool;
  const ListenerSettings listener;
  NoEvents events;
  std::shared_ptr<Backend> backend;
  BackendSet set;
  LimitHits hits;
  net::Loop loop;
  HttpDateCache date;
  Metrics metrics;
  Reporter reporter;
  upstream::Pool upstream;
  ConnectionSet connections;
  Forwarder forwarder;
  bool ended = false;
};

World::World(const Script& script, std::string_view input)
    : script_(script), cuts_(input), plane_(std::make_unique<Plane>(script.prefix)) {
  log::Init(log::Level::kError, log::Format::kText);
  std::signal(SIGPIPE, SIG_IGN);  // as the daemon does: see net/pipe.h
  std::array<int, 2> pair{};
  Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) == 0,
          "no socket pair");
  client_fd_ = pair[0];
  plane_->Serve({.stream = net::Stream::Make(plane_->loop, UniqueFd(pair[1]))});
}

World::~World() {
  plane_->connections.CutAll();
  plane_->upstream.CutAll(DrainScope::kAll);
  plane_->loop.Close();
  while (plane_->loop.Turn()) {
  }
  CloseFd(client_fd_);
  for (BackendConnection& connection : connections_) CloseFd(connection.fd);
}

bool World::ended() const { return plane_->ended; }

std::uint32_t World::active() const { return plane_->backend->admission().Load().active(); }

void World::Run() {
  do {
    Settle();
    // Whose turn it is when both have something to say.
    const bool client_first = cuts_.Coin();
    if (client_first && SendClientPiece()) continue;
    if (SendBackendPiece() || SendClientPiece()) continue;
    if (!NextStage()) return;
  } while (true);
}

// Until nothing moves without us.
void World::Settle() {
  for (bool moved = true; moved;) {
    moved = plane_->loop.Turn();
    moved |= ReceiveFromProxy();
    moved |= AcceptAndReceive();
  }
}

bool World::ReceiveFromProxy() {
  if (client_fd_ < 0) return false;
  const Received received = Receive(client_fd_, to_client_);
  if (received.ended) {
    closed_by_proxy_ |= !client_half_closed_;
    // Nobody reads what is left.
    client_sent_ = script_.client.size();
    CloseClient();
  }
  return received.any || received.ended;
}

bool World::AcceptAndReceive() {
  bool moved = false;
  for (int fd = -1; (fd = BackendListener::Get().Accept()) >= 0;) {
    moved = true;
    if (backend_gone_) {
      close(fd);
      continue;
    }
    connections_.emplace_back().fd = fd;
  }
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    if (connections_[i].fd < 0) continue;
    BackendConnection& connection = connections_[i];
    const bool between =
        connection.received.size() == connection.complete_bytes && !connection.tunnel;
    const Received received = Receive(connection.fd, connection.received);
    // All that was sent lay before the proxy when it chose this connection for another request.
    connection.misused |= received.any && between && connection.complete != 0 &&
                          !connection.unsure && connection.sent != connection.answer_bytes;
    Consider(i);
    if (received.ended) CloseFd(connection.fd);
    moved |= received.any || received.ended;
  }
  return moved;
}

// What of it is complete, and whether it is time for an answer.
void World::Consider(std::size_t index) {
  BackendConnection& connection = connections_[index];
  while (!connection.tunnel && connection.problem.empty()) {
    const std::string_view rest =
        std::string_view(connection.received).substr(connection.complete_bytes);
    strict::Parsed parsed = strict::ParseRequest(rest);
    const bool complete = parsed.outcome == strict::Outcome::kComplete;
    if (parsed.outcome == strict::Outcome::kMalformed) connection.problem = parsed.problem;
    const bool due = complete ||
                     (script_.trigger == Script::Trigger::kHead && parsed.head_complete) ||
                     (script_.trigger == Script::Trigger::kFirstByte && !rest.empty()) ||
                     (script_.trigger == Script::Trigger::kAccept &&
                      (!rest.empty() || connection.complete == 0));
    if (due && connection.answers.size() <= connection.complete) Answer(connection, parsed);
    if (!complete) return;
    connection.tunnel = parsed.message.Get("upgrade").has_value() &&
                        EndsIn101(connection.answers[connection.complete]);
    arrivals_.push_back(
        {.connection = index, .answer = connection.complete, .request = std::move(parsed.message)});
    ++connection.complete;
    connection.complete_bytes += parsed.size;
  }
}

void World::Answer(BackendConnection& connection, const strict::Parsed& request) {
  const std::size_t number = answers_given_++;
  connection.answers.emplace_back(number < script_.answers.size() ? script_.answers[number]
                                                                  : std::string(kDefaultAnswer));
  const std::string& answer = connection.answers.back();
  connection.pending += answer;
  // Whether a HEAD is answered is known with the head only. A trailer that must not be there hides
  // the end from the oracle, not from the proxy.
  connection.unsure |= !request.head_complete || IsForbiddenTrailer(strict::ParseResponse(
                                                     answer, request.message.method, false));
  const auto size = SizeOfAnswer(answer, request.message.method);
  connection.answer_bytes = size && connection.answer_bytes
                                ? std::optional(*connection.answer_bytes + *size)
                                : std::nullopt;
  connection.close_when_sent |= script_.close_after_answer || connection.answers.back().empty();
}

std::size_t World::PieceOf(std::size_t left) {
  switch (script_.pieces) {
    case Script::Pieces::kWhole:
      break;
    case Script::Pieces::kRandom:
      return cuts_.Next(left);
    case Script::Pieces::kBytes:
      return 1;
  }
  return left;
}

bool World::SendClientPiece() {
  if (client_fd_ < 0 || client_sent_ == script_.client.size()) return false;
  const std::string_view rest = std::string_view(script_.client).substr(client_sent_);
  const auto sent = Send(client_fd_, rest.substr(0, PieceOf(rest.size())));
  if (sent == 0) return false;
  client_sent_ = sent ? client_sent_ + *sent : script_.client.size();
  if (client_sent_ != script_.client.size()) return true;
  if (script_.ending == Script::Ending::kHalfClose) {
    client_half_closed_ = true;
    shutdown(client_fd_, SHUT_WR);
  } else if (script_.ending == Script::Ending::kClose) {
    CloseClient();
  }
  return true;
}

bool World::SendBackendPiece() {
  for (BackendConnection& connection : connections_) {
    if (connection.fd < 0) continue;
    if (!connection.pending.empty()) {
      const auto sent =
          Send(connection.fd,
               std::string_view(connection.pending).substr(0, PieceOf(connection.pending.size())));
      if (sent == 0) continue;
      connection.sent += sent.value_or(0);
      connection.pending.erase(0, sent.value_or(connection.pending.size()));
    } else if (!connection.close_when_sent) {
      continue;
    }
    if (connection.pending.empty() && connection.close_when_sent) CloseFd(connection.fd);
    return true;
  }
  return false;
}

void World::CloseClient() {
  client_half_closed_ = true;
  CloseFd(client_fd_);
}

// Nothing moves any more: somebody waits for what never comes. False when all is closed.
bool World::NextStage() {
  if (plane_->ended) return false;
  if (client_fd_ >= 0 && !client_half_closed_) {
    client_half_closed_ = true;
    shutdown(client_fd_, SHUT_WR);
    return true;
  }
  if (!backend_gone_) {
    backend_gone_ = true;
    for (BackendConnection& connection : connections_) CloseFd(connection.fd);
    return true;
  }
  if (client_fd_ < 0) return false;
  CloseClient();
  return true;
}

}  // namespace remora::fuzz
