#include "proxy/net/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "proxy/net/frame_pool.h"
#include "proxy/net/heap_use.h"

namespace remora::proxy::net {
namespace {

// More than fit wait for the next turn; few enough that those who are ready first don't wait long.
constexpr std::size_t kMaxEvents = 256;
constexpr Duration kForever = Duration::max();
// Some 10 us each: now() is never older than kStale.
constexpr int kRunsPerLook = 16;

// Rounded up: a turn that comes a moment too early would do nothing.
int EpollTimeout(Duration wait) {
  if (wait == kForever) return -1;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  return static_cast<int>(std::clamp<decltype(ms)>(ms, 0, 60'000));
}

}  // namespace

Root::Root(Loop& loop, Function start) : Runnable(start) { loop.roots_.push_back(*this); }

Root::~Root() = default;

Loop::Loop()
    : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      now_(Clock::now()),
      wheel_(now_) {
  // At start only; without them there is no process to save.
  if (epoll_fd_ < 0 || wake_fd_ < 0) std::abort();
  if (Watch(wake_fd_, mailbox_, EPOLLIN | EPOLLET)) std::abort();
}

Loop::~Loop() {
  // The newest first: it may refer to what an older one holds.
  while (!roots_.empty()) roots_.back().Destroy();
  close(wake_fd_);
  close(epoll_fd_);
}

void Loop::Post(Task task) {
  absl::MutexLock lock(&mu_);
  if (!accepting_) return;
  mail_.push_back(std::move(task));
  if (mail_.size() > 1) return;  // the wake-up for the first is still to be seen
  const std::uint64_t one = 1;
  // Nobody reads the counter, as each write is an edge; it would take 2^64 of them to block.
  [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof(one));
}

void Loop::Run() {
  while (!finished()) Turn(kForever);
}

void Loop::Close() {
  std::vector<Task> rest;
  {
    absl::MutexLock lock(&mu_);
    accepting_ = false;
    rest.swap(mail_);
  }
  closed_ = true;
  for (Task& task : rest) task();
  if (!in_turn_) Wake();
}

void Loop::Arm(TimerWheel::Entry& entry, Duration timeout) {
  const TimePoint from = now();
  // While nothing ticked, the wheel stood still.
  const bool first = wheel_.empty();
  if (first) wheel_.Advance(from);
  wheel_.Arm(entry, from + kStale + timeout);
  if (first && !in_turn_) Wake();
}

bool Loop::ReleaseSpareMemory() {
  ReleaseSpareFrames();
  buffers_.ReleaseSpare();
  return HeapUse::OfThisThread().EndPeriod();
}

void Loop::Schedule(Runnable& runnable) {
  if (runnable.RunnableHook::is_linked()) return;
  ready_.push_back(runnable);
  if (!in_turn_) Wake();
}

error_code Loop::Watch(int fd, IoSource& source, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &source}};
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0 ? error_code() : LastError();
}

error_code Loop::ChangeWatch(int fd, IoSource& source, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &source}};
  return epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0 ? error_code() : LastError();
}

void Loop::Add(Moment& moment) {
  moments_.insert(moment);
  if (!in_turn_) Wake();
}

void Loop::Start(Root& root) {
  if (in_turn_) return root.Run();
  Schedule(root);
}

Duration Loop::UntilNext(TimePoint from) const {
  if (!ready_.empty()) return Duration::zero();
  TimePoint next = moments_.empty() ? TimePoint::max() : moments_.begin()->when();
  if (!wheel_.empty()) next = std::min(next, wheel_.next_tick());
  return next == TimePoint::max() ? kForever : next - from;
}

bool Loop::Turn(Duration longest) {
  std::array<epoll_event, kMaxEvents> events;
  // As of the last turn: what is due may come late by the time that took, and no clock is read.
  const int timeout = EpollTimeout(std::min(longest, UntilNext(now_)));
  const int count = epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), timeout);
  now_ = Clock::now();
  ++turn_;
  in_turn_ = true;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    static_cast<IoSource*>(event.data.ptr)->OnEvents(event.events);
  }
  bool moved = count > 0;
  moved |= ReadMail();
  moved |= RunTimers();
  moved |= RunScheduled();
  in_turn_ = false;
  return moved;
}

bool Loop::ReadMail() {
  if (!std::exchange(mailbox_.has_mail, false)) return false;
  std::vector<Task> mail;
  {
    absl::MutexLock lock(&mu_);
    mail.swap(mail_);
  }
  for (Task& task : mail) task();
  return true;
}

bool Loop::RunTimers() {
  if (!wheel_.empty() && wheel_.next_tick() <= now_) wheel_.Advance(now_);
  bool any = false;
  while (!moments_.empty() && moments_.begin()->when() <= now_) {
    Moment& moment = *moments_.begin();
    moments_.erase(moments_.begin());
    Schedule(moment);
    any = true;
  }
  return any;
}

// What is scheduled meanwhile has its turn after the next look at the descriptors.
bool Loop::RunScheduled() {
  running_.swap(ready_);
  const bool any = !running_.empty();
  RunAll(running_);
  RunAll(sending_);
  return any;
}

void Loop::RunAll(RunnableList& list) {
  for (int run = 1; !list.empty(); ++run) {
    Runnable& next = list.front();
    list.pop_front();
    next.Run();
    if (run % kRunsPerLook == 0) now_ = Clock::now();
  }
}

}  // namespace remora::proxy::net
