#include "server/control/accept_loop.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <utility>

#include "proxy/base/log.h"

namespace remora::server {
namespace {

constexpr std::chrono::seconds kWarnEvery{10};
// Where neither accepting nor shedding is possible, waiting is all that is left.
constexpr std::chrono::milliseconds kBackOff{100};

UniqueFd OpenReserve() { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

void AcceptLoop::RateLimitedWarning::Write(const char* message, const char* detail) {
  const proxy::TimePoint now = proxy::Clock::now();
  if (now < next_) {
    ++left_out_;
    return;
  }
  log::Warn(message, {{"socket", "control"}, {"detail", detail}, {"left_out", left_out_}});
  next_ = now + kWarnEvery;
  left_out_ = 0;
}

AcceptLoop::AcceptLoop(const ListenSocket& socket, std::size_t max_connections, HandOver hand_over)
    : socket_(socket),
      hand_over_(std::move(hand_over)),
      connections_(max_connections),
      reserve_(OpenReserve()),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Run(); }) {}

AcceptLoop::~AcceptLoop() {
  const std::uint64_t one = 1;
  // Can't fail: the counter of an eventfd that is written once does not overflow.
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  thread_.join();
}

void AcceptLoop::Run() {
  std::array<pollfd, 2> fds{pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                            pollfd{.fd = socket_.fd(), .events = POLLIN, .revents = 0}};
  bool backing_off = false;
  for (;;) {
    // While backing off only the end is waited for: the listening socket is readable all along.
    const nfds_t count = backing_off ? 1 : 2;
    poll(fds.data(), count, backing_off ? static_cast<int>(kBackOff.count()) : -1);
    if (fds[0].revents != 0) return;
    Outcome outcome = AcceptOne();
    while (outcome == Outcome::kAgain) {
      outcome = AcceptOne();
      if (poll(fds.data(), 1, 0) > 0) return;  // a flood does not hold up the end
    }
    backing_off = outcome == Outcome::kBackOff;
  }
}

AcceptLoop::Outcome AcceptLoop::AcceptOne() {
  UniqueFd fd(accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) return OnAcceptError(errno);
  Admit(std::move(fd));
  return Outcome::kAgain;
}

AcceptLoop::Outcome AcceptLoop::OnAcceptError(int error) {
  switch (error) {
    case EAGAIN:
      return Outcome::kIdle;
    case EMFILE:
    case ENFILE:
      descriptor_warning_.Write("out of descriptors, control connections are refused",
                                std::strerror(error));
      return ShedOne();
    case ENOBUFS:
    case ENOMEM:
      descriptor_warning_.Write("cannot accept control connections", std::strerror(error));
      return Outcome::kBackOff;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
      // Not an answer of the network: the program is wrong, and going on would spin.
      log::Error("the control socket is broken", {{"error", std::strerror(error)}});
      return Outcome::kBackOff;
    default:
      // accept(2): errors of the connection that was waiting are reported here; take the next.
      return Outcome::kAgain;
  }
}

AcceptLoop::Outcome AcceptLoop::ShedOne() {
  reserve_.Reset();
  UniqueFd shed(accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  const bool accepted = static_cast<bool>(shed);
  const bool none_left = !accepted && errno == EAGAIN;
  shed.Reset();  // before the reserve takes its descriptor back
  reserve_ = OpenReserve();
  if (none_left) return Outcome::kIdle;
  // Another thread was faster with the descriptor that was given up.
  return accepted && reserve_ ? Outcome::kAgain : Outcome::kBackOff;
}

void AcceptLoop::Admit(UniqueFd fd) {
  if (!reserve_) reserve_ = OpenReserve();
  const std::optional<ucred> peer = PeerOf(fd.get());
  if (peer) {
    log::Debug("control connection",
               {{"connection", ++accepted_}, {"uid", peer->uid}, {"pid", peer->pid}});
  } else {
    log::Debug("control connection", {{"connection", ++accepted_}});
  }
  if (socket_.is_unix() && !(peer && (peer->uid == geteuid() || peer->uid == 0))) {
    peer_warning_.Write("control connection of another user refused", socket_.address().c_str());
    return;
  }
  if (!connections_.Admit(fd.get())) {
    cap_warning_.Write("too many control connections, new ones are refused",
                       "close some; the limit is 100, or a quarter of the descriptors");
    return;
  }
  hand_over_(std::move(fd));
}

std::optional<ucred> AcceptLoop::PeerOf(int fd) const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (!socket_.is_unix() || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return std::nullopt;
  }
  return peer;
}

}  // namespace remora::server
