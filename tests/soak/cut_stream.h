// Bytes to send over a non-blocking socket, cut at chosen places: each call of Send is one system
// call, so that the other end has a chance to see them in pieces.
//
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace remora::soak {

class CutStream {
 public:
  // Appends to this are sent behind what is there.
  std::string& bytes() { return bytes_; }
  // Sorted positions in bytes() where a send ends.
  void Cut(std::vector<std::size_t> cuts) { cuts_.assign(cuts.begin(), cuts.end()); }
  // Nothing from this position on is sent until `ticket` is released.
  void Hold(std::size_t position, std::uint64_t ticket) { holds_.push_back({position, ticket}); }
  void Release(std::uint64_t ticket);

  bool empty() const { return sent_ == bytes_.size(); }
  // Something may be sent now.
  bool ready() const { return sent_ < End(); }
  // The next piece, as much of it as the socket takes. False when the other end is gone.
  bool Send(int fd);
  void Clear();

 private:
  struct Held {
    std::size_t position;
    std::uint64_t ticket;
  };
  std::size_t End() const { return holds_.empty() ? bytes_.size() : holds_.front().position; }

  std::string bytes_;
  std::size_t sent_ = 0;
  std::deque<std::size_t> cuts_;
  std::deque<Held> holds_;  // by position
};

}  // namespace remora::soak
