#include "proxy/net/slab_pool.h"

#include <sys/mman.h>

#include <cassert>
#include <cstdint>
#include <new>

#include "proxy/net/asan.h"

namespace remora::proxy::net {
namespace {

struct FreeSlot {
  FreeSlot* next;
};

}  // namespace

// At the start of its page; linked while it has room.
struct SlabPool::Slab : Hook {
  Slab(SlabPool& its_pool, std::size_t its_index)
      : pool(its_pool), index(its_index), size((its_index + 1) * kStep) {}

  static Slab& Of(void* object) {
    const auto address = reinterpret_cast<std::uintptr_t>(object);
    return *reinterpret_cast<Slab*>(address / kSlabSize * kSlabSize);
  }
  bool full() const { return free == nullptr && fresh + size > kSlabSize; }

  void* Take() {
    ++used;
    void* slot = free;
    if (slot != nullptr) {
      MarkUsed(slot, size);
      free = free->next;
    } else {
      slot = reinterpret_cast<std::byte*>(this) + fresh;
      fresh += size;
    }
    return slot;
  }
  void Give(void* object) {
    --used;
    free = ::new (object) FreeSlot{.next = free};
    MarkFree(object, size);
  }

  SlabPool& pool;
  const std::size_t index;  // in with_room_
  const std::size_t size;   // of an object
  std::size_t used = 0;
  std::size_t fresh = kStep * ((sizeof(Slab) + kStep - 1) / kStep);  // where none has been yet
  FreeSlot* free = nullptr;
};

SlabPool::~SlabPool() {
  for (SlabList& list : with_room_) {
    while (!list.empty()) Unmap(static_cast<Slab&>(list.front()));
  }
  assert(slabs_ == 0);  // or an object is left
}

void* SlabPool::Take(std::size_t size) {
  assert(size != 0 && size <= kMaxSize);
  Slab& slab = WithRoom((size - 1) / kStep);
  void* const object = slab.Take();
  if (slab.full()) slab.unlink();
  return object;
}

SlabPool::Slab& SlabPool::WithRoom(std::size_t index) {
  SlabList& list = with_room_[index];
  if (list.empty()) {
    void* const memory =
        mmap(nullptr, kSlabSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    list.push_front(*::new (memory) Slab(*this, index));
    ++slabs_;
  }
  return static_cast<Slab&>(list.front());
}

void SlabPool::Give(void* object) noexcept {
  Slab& slab = Slab::Of(object);
  slab.pool.GiveTo(slab, object);
}

void SlabPool::GiveTo(Slab& slab, void* object) noexcept {
  slab.Give(object);
  SlabList& list = with_room_[slab.index];
  if (!slab.is_linked()) list.push_front(slab);
  // One stays, for the next.
  if (slab.used == 0 && &list.front() != &list.back()) Unmap(slab);
}

void SlabPool::Unmap(Slab& slab) noexcept {
  slab.~Slab();
  MarkUsed(&slab, kSlabSize);
  munmap(&slab, kSlabSize);
  --slabs_;
}

}  // namespace remora::proxy::net
