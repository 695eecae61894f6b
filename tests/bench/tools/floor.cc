// The least that a proxy in user space can do on an epoll loop: carries bytes between a client and
// a backend connection and reads none of them. What a proxy costs above this is its own work.
//
//   usage: remora_bench_floor BACKEND_PORT [WORKERS]      prints the port that it listens on
//
// Each descriptor is registered once, edge-triggered; a short read means that the socket is
// drained. So a request is recv, send, recv, send and a share of an epoll_wait. Connections to the
// backend are kept when their client goes and given to a later one: nothing is parsed, so this
// holds only for clients that go after a whole answer.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/tools/sockets.h"

namespace remora::bench {
namespace {

constexpr std::size_t kBufferSize = 128 * 1024;

// One end of a pair. Without a peer it is a backend connection in the pool.
struct Side {
  Side(int socket, bool leads_to_backend) : fd(socket), is_backend(leads_to_backend) {}

  int fd;
  bool is_backend;
  bool readable = false;
  bool ended = false;
  Side* peer = nullptr;
  std::string unsent;  // what its socket did not take yet
};

class Worker {
 public:
  Worker(int listener, std::uint16_t backend_port)
      : listener_(listener),
        backend_port_(backend_port),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        buffer_(std::make_unique_for_overwrite<char[]>(kBufferSize)) {
    if (epoll_ < 0) DieOfErrno("epoll_create1");
    Watch(epoll_, listener_, nullptr);
  }

  [[noreturn]] void Run() {
    std::array<epoll_event, 256> events{};
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      if (count < 0 && errno != EINTR) DieOfErrno("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
          AcceptAll();
        } else {
          Handle(*static_cast<Side*>(event.data.ptr), event.events);
        }
      }
      gone_.clear();
    }
  }

 private:
  void AcceptAll() {
    for (int fd = Accept(listener_); fd >= 0; fd = Accept(listener_)) {
      Side* client = new Side(fd, false);
      Side* backend = nullptr;
      if (pool_.empty()) {
        backend = new Side(StartConnect(backend_port_), true);
        if (backend->fd < 0) DieOfErrno("connect");
        Watch(epoll_, backend->fd, backend);
      } else {
        backend = pool_.back();
        pool_.pop_back();
      }
      client->peer = backend;
      backend->peer = client;
      Watch(epoll_, fd, client);
    }
  }

  void Handle(Side& side, std::uint32_t events) {
    if (side.fd < 0) return;  // closed by an earlier event of this turn
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) side.ended = true;
    if ((events & EPOLLIN) != 0 || side.ended) side.readable = true;
    if (side.peer == nullptr) {
      if (side.readable) {
        std::erase(pool_, &side);
        Close(side);
      }
      return;
    }
    if (!side.unsent.empty()) {
      Side& peer = *side.peer;
      if (Flush(side)) Relay(peer);
      if (side.fd < 0 || side.peer == nullptr) return;
    }
    if (side.readable) Relay(side);
  }

  // True when nothing is left to send.
  static bool Flush(Side& to) {
    if (to.unsent.empty()) return true;
    const ssize_t sent = send(to.fd, to.unsent.data(), to.unsent.size(), MSG_NOSIGNAL);
    if (sent > 0) to.unsent.erase(0, static_cast<std::size_t>(sent));
    if (!to.unsent.empty()) return false;
    std::string().swap(to.unsent);
    return true;
  }

  void Relay(Side& from) {
    Side& to = *from.peer;
    if (!to.unsent.empty()) return;
    while (from.readable) {
      const ssize_t read = recv(from.fd, buffer_.get(), kBufferSize, 0);
      if (read < 0 && errno == EAGAIN) {
        from.readable = false;
        return;
      }
      if (read <= 0) {
        End(from);
        return;
      }
      const auto size = static_cast<std::size_t>(read);
      if (size < kBufferSize && !from.ended) from.readable = false;
      const ssize_t sent = send(to.fd, buffer_.get(), size, MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) {
        End(from);
        return;
      }
      const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
      if (done < size) {
        to.unsent.assign(buffer_.get() + done, size - done);
        return;
      }
    }
  }

  void End(Side& side) {
    Side& peer = *side.peer;
    side.peer = peer.peer = nullptr;
    if (peer.is_backend && !peer.ended && peer.unsent.empty()) {
      pool_.push_back(&peer);
    } else {
      Close(peer);
    }
    Close(side);
  }

  // Other events of this turn may still name it, so it is freed at the end of the turn.
  void Close(Side& side) {
    close(side.fd);
    side.fd = -1;
    gone_.emplace_back(&side);
  }

  const int listener_;
  const std::uint16_t backend_port_;
  const int epoll_;
  std::unique_ptr<char[]> buffer_;
  std::vector<Side*> pool_;
  std::vector<std::unique_ptr<Side>> gone_;
};

int Main(int argc, char** argv) {
  if (argc < 2 || argc > 3) Die("usage: remora_bench_floor BACKEND_PORT [WORKERS]");
  const auto backend = static_cast<std::uint16_t>(NumberOf(argv[1], "BACKEND_PORT"));
  const std::uint64_t workers = argc > 2 ? NumberOf(argv[2], "WORKERS") : 1;
  RaiseFileLimit();
  std::vector<int> listeners{Listen(0)};
  const std::uint16_t port = PortOf(listeners.front());
  while (listeners.size() < workers) listeners.push_back(Listen(port));
  std::printf("%d\n", port);
  std::fflush(stdout);
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < listeners.size(); ++i) {
    threads.emplace_back([fd = listeners[i], backend] { Worker(fd, backend).Run(); });
  }
  Worker(listeners.front(), backend).Run();
}

}  // namespace
}  // namespace remora::bench

int main(int argc, char** argv) { return remora::bench::Main(argc, argv); }
