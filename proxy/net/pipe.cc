#include "proxy/net/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace remora::proxy::net {
namespace {

// As much as a process without privileges may ask for; a small pipe would cost more calls than
// copying does.
constexpr int kCapacity = 1024 * 1024;
constexpr int kLeast = 256 * 1024;

}  // namespace

std::unique_ptr<Pipe> Pipe::Open() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
  auto pipe = std::make_unique<Pipe>();
  pipe->out_ = UniqueFd(ends[0]);
  pipe->in_ = UniqueFd(ends[1]);
  const int capacity = fcntl(ends[1], F_SETPIPE_SZ, kCapacity);
  if (capacity < kLeast) return nullptr;  // this user's share of the kernel's memory is used up
  pipe->capacity_ = static_cast<std::size_t>(capacity);
  return pipe;
}

PipePool::Lease& PipePool::Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    Reset();
    pool_ = other.pool_;
    pipe_ = std::move(other.pipe_);
  }
  return *this;
}

void PipePool::Lease::Reset() {
  if (pipe_ != nullptr) pool_->Give(std::move(pipe_));
}

PipePool::Lease PipePool::Take() {
  if (lent_ == kMost) return {};
  std::unique_ptr<Pipe> pipe;
  if (free_.empty() && hold_off_ != 0) {
    --hold_off_;
  } else if (free_.empty()) {
    pipe = Pipe::Open();
    if (pipe == nullptr) hold_off_ = kHoldOff;
  } else {
    pipe = std::move(free_.back());
    free_.pop_back();
  }
  if (pipe == nullptr) return {};
  ++lent_;
  return {*this, std::move(pipe)};
}

void PipePool::Give(std::unique_ptr<Pipe> pipe) {
  --lent_;
  if (pipe->empty() && free_.size() < kKeep) free_.push_back(std::move(pipe));
}

}  // namespace remora::proxy::net
