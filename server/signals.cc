#include "server/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <utility>

namespace remora::server {
namespace {

sigset_t OurSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

int OpenSignalDescriptor() {
  const sigset_t set = OurSignals();
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

}  // namespace

void Signals::Block() {
  const sigset_t set = OurSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Signals::Signals(proxy::net::AsioLoop& loop, Handler handler)
    : handler_(std::move(handler)), descriptor_(loop.executor(), OpenSignalDescriptor()) {}

void Signals::Start() {
  descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                         [this](proxy::net::error_code error) {
                           if (error) return;
                           Read();
                           if (descriptor_.is_open()) Start();
                         });
}

void Signals::Stop() {
  proxy::net::error_code ignored;
  descriptor_.close(ignored);
}

void Signals::Read() {
  signalfd_siginfo info{};
  // The handler may stop us.
  while (descriptor_.is_open() &&
         read(descriptor_.native_handle(), &info, sizeof info) == sizeof info) {
    handler_(static_cast<int>(info.ssi_signo));
  }
}

}  // namespace remora::server
