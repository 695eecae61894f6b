// A histogram of times with a bounded relative error, in the manner of HdrHistogram: 128 linear
// buckets for each power of two, so a value is known within 0.8 %, whatever its size.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace remora::bench {

class Histogram {
 public:
  Histogram() : counts_(kBuckets, 0) {}

  void Add(std::uint64_t value) {
    ++counts_[IndexOf(value)];
    ++total_;
    largest_ = std::max(largest_, value);
  }

  // The value that `share` (0 to 1) of all are not above.
  [[nodiscard]] std::uint64_t At(double share) const {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) return std::min(MiddleOf(i), largest_);
    }
    return largest_;
  }

  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::uint64_t largest() const { return largest_; }

 private:
  static constexpr int kBits = 7;
  static constexpr std::uint64_t kLinear = 1U << kBits;
  static constexpr std::size_t kBuckets = (64 - kBits + 1) * kLinear;

  // Below 2 * kLinear each value has its own bucket; above, the leading bits choose one.
  static std::size_t IndexOf(std::uint64_t value) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - kBits - 1);
    return static_cast<std::size_t>(shift) * kLinear + (value >> shift);
  }

  static std::uint64_t MiddleOf(std::size_t index) {
    if (index < 2 * kLinear) return index;
    const std::size_t shift = index / kLinear - 1;
    return ((index - shift * kLinear) << shift) + ((std::uint64_t{1} << shift) / 2);
  }

  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
  std::uint64_t largest_ = 0;
};

}  // namespace remora::bench
