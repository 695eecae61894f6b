#include "proxy/net/buffer_pool.h"

#include <utility>

namespace remora::proxy::net {

Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      memory_(std::move(other.memory_)),
      size_(std::exchange(other.size_, 0)) {}

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    Reset();
    pool_ = std::exchange(other.pool_, nullptr);
    memory_ = std::move(other.memory_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void Lease::Reset() {
  if (memory_ != nullptr) pool_->Give(std::move(memory_), size_);
  pool_ = nullptr;
  size_ = 0;
}

Lease BufferPool::Take(std::size_t size) {
  const std::size_t rounded = size <= kSmall ? kSmall : size <= kLarge ? kLarge : size;
  auto* free = rounded == kSmall ? &small_ : rounded == kLarge ? &large_ : nullptr;
  if (free != nullptr && !free->empty()) {
    std::unique_ptr<char[]> memory = std::move(free->back());
    free->pop_back();
    return Lease(this, std::move(memory), rounded);
  }
  return Lease(this, std::make_unique_for_overwrite<char[]>(rounded), rounded);
}

void BufferPool::Give(std::unique_ptr<char[]> memory, std::size_t size) {
  if (size == kSmall && small_.size() < kKeepSmall) small_.push_back(std::move(memory));
  if (size == kLarge && large_.size() < kKeepLarge) large_.push_back(std::move(memory));
}

}  // namespace remora::proxy::net
