#include "proxy/net/frame_pool.h"

#include <array>
#include <new>

namespace remora::proxy::net {
namespace {

constexpr std::size_t kStep = 64;
constexpr std::size_t kMaxSize = 4096;  // larger ones come from the heap
constexpr std::size_t kKeep = 64;       // free frames of each size

struct FreeFrame {
  FreeFrame* next;
};

class FreeFrames {
 public:
  FreeFrames() = default;
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
      first = frame->next;
      --count;
      return frame;
    }
    void Push(void* memory) {
      first = ::new (memory) FreeFrame{.next = first};
      ++count;
    }
    FreeFrame* first = nullptr;
    std::size_t count = 0;
  };
  List& Of(std::size_t size) { return lists_[(size - 1) / kStep]; }

 private:
  std::array<List, kMaxSize / kStep> lists_{};
};

thread_local FreeFrames free_frames;

constexpr std::size_t Rounded(std::size_t size) { return (size + kStep - 1) / kStep * kStep; }

}  // namespace

void* TakeFrame(std::size_t size) {
  if (size > kMaxSize) return ::operator new(size);
  FreeFrames::List& list = free_frames.Of(size);
  return list.first != nullptr ? list.Pop() : ::operator new(Rounded(size));
}

void GiveFrame(void* frame, std::size_t size) noexcept {
  if (size <= kMaxSize) {
    FreeFrames::List& list = free_frames.Of(size);
    if (list.count < kKeep) return list.Push(frame);
  }
  ::operator delete(frame);
}

}  // namespace remora::proxy::net
