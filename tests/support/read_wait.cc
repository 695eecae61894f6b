#include "tests/support/read_wait.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>

namespace remora::strict {
namespace {

using SteadyClock = std::chrono::steady_clock;

// The kernel's answers about sockets; one a thread.
class SocketDiagnosis {
 public:
  SocketDiagnosis() : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)) {}
  ~SocketDiagnosis() {
    if (fd_ >= 0) close(fd_);
  }
  SocketDiagnosis(const SocketDiagnosis&) = delete;
  SocketDiagnosis& operator=(const SocketDiagnosis&) = delete;

  // Bytes that lie unread at the end `local` of the connection between the two.
  std::optional<std::uint32_t> Unread(const sockaddr_in& local, const sockaddr_in& remote) {
    struct {
      nlmsghdr header;
      inet_diag_req_v2 request;
    } message{};
    message.header.nlmsg_len = sizeof(message);
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST;
    message.request.sdiag_family = AF_INET;
    message.request.sdiag_protocol = IPPROTO_TCP;
    message.request.idiag_states = ~0u;
    message.request.id.idiag_sport = local.sin_port;
    message.request.id.idiag_dport = remote.sin_port;
    message.request.id.idiag_src[0] = local.sin_addr.s_addr;
    message.request.id.idiag_dst[0] = remote.sin_addr.s_addr;
    message.request.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    message.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (send(fd_, &message, sizeof(message), 0) < 0) return std::nullopt;
    alignas(nlmsghdr) std::array<char, 8192> answer;
    const ssize_t size = recv(fd_, answer.data(), answer.size(), 0);
    nlmsghdr header{};
    inet_diag_msg socket{};
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(socket)))) return std::nullopt;
    std::memcpy(&header, answer.data(), sizeof(header));
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;  // no such socket
    std::memcpy(&socket, answer.data() + NLMSG_HDRLEN, sizeof(socket));
    return socket.idiag_rqueue;
  }

 private:
  int fd_;
};

}  // namespace

bool WaitUntilRead(int fd, std::chrono::microseconds limit) {
  thread_local SocketDiagnosis diagnosis;
  const auto deadline = SteadyClock::now() + limit;
  sockaddr_in own{};
  sockaddr_in other{};
  socklen_t size = sizeof(own);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return false;
  size = sizeof(other);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&other), &size) != 0) return false;
  for (;;) {
    const auto unread = diagnosis.Unread(other, own);
    if (!unread) return false;
    if (*unread == 0) return true;
    if (SteadyClock::now() > deadline) return false;
    sched_yield();
  }
}

}  // namespace remora::strict
