// Pipes of the kernel, through which bytes go from one socket to another without being copied to us
// (splice): for bodies so long that the two calls a piece are worth it.
//
// Who uses them must ignore SIGPIPE: splice has no flag that keeps it away.
// Threads: the loop's. Lifetime: the pool outlives its leases. A pipe that still holds bytes when
// its lease ends is closed, so no byte of one message gets into another.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "proxy/base/unique_fd.h"

namespace remora::proxy::net {

class Pipe {
 public:
  // Null: no descriptor is left, or no room in the kernel.
  static std::unique_ptr<Pipe> Open();

  // Bytes that are in it.
  std::size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }
  // What the kernel was asked for and gave.
  std::size_t capacity() const { return capacity_; }

 private:
  friend class Stream;
  UniqueFd in_;
  UniqueFd out_;
  std::size_t bytes_ = 0;
  std::size_t capacity_ = 0;
};

class PipePool {
 public:
  class Lease {
   public:
    Lease() = default;
    Lease(PipePool& pool, std::unique_ptr<Pipe> pipe) : pool_(&pool), pipe_(std::move(pipe)) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { Reset(); }
    Pipe* get() const { return pipe_.get(); }
    explicit operator bool() const { return pipe_ != nullptr; }
    void Reset();

   private:
    PipePool* pool_ = nullptr;
    std::unique_ptr<Pipe> pipe_;
  };

  // Empty: kMost are lent, or none can be opened; copy instead.
  Lease Take();
  // Descriptors are short.
  void DropFree() { free_.clear(); }

 private:
  // Two descriptors each; a host that has many large bodies at a time is as busy with copying.
  static constexpr std::size_t kMost = 32;
  static constexpr std::size_t kKeep = 2;
  // After none could be opened, so many are not tried.
  static constexpr std::size_t kHoldOff = 256;

  void Give(std::unique_ptr<Pipe> pipe);

  std::vector<std::unique_ptr<Pipe>> free_;
  std::size_t lent_ = 0;
  std::size_t hold_off_ = 0;
};

}  // namespace remora::proxy::net
