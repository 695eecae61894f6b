#include "proxy/net/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <cstdlib>
#include <utility>

namespace remora::proxy::net {

Loop::Loop()
    : timers_(Clock::now()),
      // One thread runs it: no locks in the scheduler or the reactor.
      context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE),
      wake_fd_(executor()),
      tick_(executor()) {
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) std::abort();  // at start only; without it there is no process to save
  wake_fd_.assign(fd);
  WaitForMail();
}

Loop::~Loop() = default;

void Loop::Post(Task task) {
  absl::MutexLock lock(&mu_);
  if (!accepting_) return;
  mail_.push_back(std::move(task));
  if (mail_.size() > 1) return;  // the wake-up for the first is still to be read
  const std::uint64_t one = 1;
  // Under the lock, so that Close can't shut the descriptor between the check and the write. Can't
  // block: the counter would have to reach 2^64.
  [[maybe_unused]] const auto written = write(wake_fd_.native_handle(), &one, sizeof(one));
}

void Loop::Run() { context_.run(); }

void Loop::Close() {
  std::vector<Task> rest;
  {
    absl::MutexLock lock(&mu_);
    accepting_ = false;
    rest.swap(mail_);
    closed_ = true;
    error_code ignored;
    wake_fd_.close(ignored);
  }
  for (Task& task : rest) task();
}

void Loop::Arm(TimerWheel::Entry& entry, Duration timeout) {
  const TimePoint now = Clock::now();
  // While nothing ticked, the wheel stood still.
  if (timers_.empty()) timers_.Advance(now);
  timers_.Arm(entry, now + timeout);
  ScheduleTick();
}

void Loop::WaitForMail() {
  wake_fd_.async_wait(asio::posix::descriptor_base::wait_read, [this](error_code ec) {
    if (ec || closed_) return;
    ReadMail();
    if (!closed_) WaitForMail();
  });
}

void Loop::ReadMail() {
  std::vector<Task> mail;
  {
    absl::MutexLock lock(&mu_);
    std::uint64_t count = 0;
    [[maybe_unused]] const auto bytes = read(wake_fd_.native_handle(), &count, sizeof(count));
    mail.swap(mail_);
  }
  for (Task& task : mail) task();
}

void Loop::ScheduleTick() {
  if (ticking_ || timers_.empty()) return;
  ticking_ = true;
  tick_.expires_at(timers_.next_tick());
  tick_.async_wait([this](error_code) {
    ticking_ = false;
    timers_.Advance(Clock::now());
    ScheduleTick();
  });
}

}  // namespace remora::proxy::net
