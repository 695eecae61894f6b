#include "proxy/net/frame_pool.h"

#include <algorithm>
#include <array>
#include <new>

#include "proxy/net/asan.h"
#include "proxy/net/heap_use.h"

namespace remora::proxy::net {
namespace {

constexpr std::size_t kStep = 64;
constexpr std::size_t kMaxSize = 4096;  // larger ones come from the heap
constexpr std::size_t kKeep = 64;       // free frames of each size

constexpr std::size_t Rounded(std::size_t size) { return (size + kStep - 1) / kStep * kStep; }

void* FromHeap(std::size_t size) {
  HeapUse::OfThisThread().Take(size);
  return ::operator new(size);
}

void ToHeap(void* frame, std::size_t size) noexcept {
  HeapUse::OfThisThread().Give(size);
  ::operator delete(frame);
}

struct FreeFrame {
  FreeFrame* next;
};

class FreeFrames {
 public:
  FreeFrames() {
    for (std::size_t i = 0; i < lists_.size(); ++i) lists_[i].size = (i + 1) * kStep;
  }
  ~FreeFrames() {
    for (List& list : lists_) {
      while (list.first != nullptr) ::operator delete(list.Pop());
    }
  }
  FreeFrames(const FreeFrames&) = delete;
  FreeFrames& operator=(const FreeFrames&) = delete;

  struct List {
    void* Pop() {
      FreeFrame* const frame = first;
      MarkUsed(frame, size);
      first = frame->next;
      --count;
      spare = std::min(spare, count);
      return frame;
    }
    void Push(void* memory) {
      first = ::new (memory) FreeFrame{.next = first};
      ++count;
      MarkFree(memory, size);
    }
    FreeFrame* first = nullptr;
    std::size_t size = 0;  // of each
    std::size_t count = 0;
    std::size_t spare = 0;  // the least that were there since the last ReleaseSpare
  };
  List& Of(std::size_t size) { return lists_[(size - 1) / kStep]; }

  void ReleaseSpare() {
    for (List& list : lists_) {
      for (std::size_t left = list.spare; left != 0; --left) ToHeap(list.Pop(), list.size);
      list.spare = list.count;
    }
  }

 private:
  std::array<List, kMaxSize / kStep> lists_{};
};

thread_local FreeFrames free_frames;

}  // namespace

void* TakeFrame(std::size_t size) {
  if (size > kMaxSize) return FromHeap(size);
  FreeFrames::List& list = free_frames.Of(size);
  return list.first != nullptr ? list.Pop() : FromHeap(Rounded(size));
}

void GiveFrame(void* frame, std::size_t size) noexcept {
  if (size > kMaxSize) return ToHeap(frame, size);
  FreeFrames::List& list = free_frames.Of(size);
  if (list.count < kKeep) return list.Push(frame);
  ToHeap(frame, Rounded(size));
}

void ReleaseSpareFrames() noexcept { free_frames.ReleaseSpare(); }

}  // namespace remora::proxy::net
