#include "proxy/net/buffer_pool.h"

#include <algorithm>
#include <utility>

#include "proxy/net/heap_use.h"

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
  FreeList* const free = rounded == kSmall ? &small_ : rounded == kLarge ? &large_ : nullptr;
  if (free != nullptr && !free->buffers.empty()) {
    std::unique_ptr<char[]> memory = std::move(free->buffers.back());
    free->buffers.pop_back();
    free->spare = std::min(free->spare, free->buffers.size());
    return Lease(this, std::move(memory), rounded);
  }
  HeapUse::OfThisThread().Take(rounded);
  return Lease(this, std::make_unique_for_overwrite<char[]>(rounded), rounded);
}

void BufferPool::Give(std::unique_ptr<char[]> memory, std::size_t size) {
  if (size == kSmall && small_.buffers.size() < kKeepSmall) {
    small_.buffers.push_back(std::move(memory));
  } else if (size == kLarge && large_.buffers.size() < kKeepLarge) {
    large_.buffers.push_back(std::move(memory));
  } else {
    HeapUse::OfThisThread().Give(size);
  }
}

void BufferPool::FreeList::ReleaseSpare(std::size_t size) {
  HeapUse::OfThisThread().Give(spare * size);
  // From the front: those that have been unused for longest.
  buffers.erase(buffers.begin(), buffers.begin() + static_cast<std::ptrdiff_t>(spare));
  spare = buffers.size();
}

void BufferPool::ReleaseSpare() {
  small_.ReleaseSpare(kSmall);
  large_.ReleaseSpare(kLarge);
}

}  // namespace remora::proxy::net
