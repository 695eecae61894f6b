#include "tests/bench/tools/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace remora::bench {
namespace {

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int NewSocket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) DieOfErrno("socket");
  return fd;
}

void SetOption(int fd, int level, int name) {
  const int on = 1;
  if (setsockopt(fd, level, name, &on, sizeof on) != 0) DieOfErrno("setsockopt");
}

}  // namespace

void Die(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what.c_str());
  std::exit(1);
}

void DieOfErrno(const std::string& call) { Die(call + ": " + std::strerror(errno)); }

void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) DieOfErrno("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) DieOfErrno("setrlimit");
}

int Listen(std::uint16_t port) {
  const int fd = NewSocket();
  SetOption(fd, SOL_SOCKET, SO_REUSEADDR);
  SetOption(fd, SOL_SOCKET, SO_REUSEPORT);
  const sockaddr_in address = Loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    DieOfErrno("bind");
  }
  if (listen(fd, 16384) != 0) DieOfErrno("listen");
  return fd;
}

std::uint16_t PortOf(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    DieOfErrno("getsockname");
  }
  return ntohs(address.sin_port);
}

int Accept(int listener) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    SetOption(fd, IPPROTO_TCP, TCP_NODELAY);
    return fd;
  }
  if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) DieOfErrno("accept");
  return -1;
}

int StartConnect(std::uint16_t port) {
  const int fd = NewSocket();
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY);
  const sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EINPROGRESS) {
    return fd;
  }
  close(fd);
  return -1;
}

void Watch(int epoll, int fd, void* data) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = data;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) DieOfErrno("epoll_ctl");
}

std::uint64_t NumberOf(std::string_view text, std::string_view what) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    Die(std::string(what) + ": not a number: " + std::string(text));
  }
  return number;
}

}  // namespace remora::bench
