// Durations in buckets: what one thread writes while any thread reads, and the sum of many as a
// value that can be asked for quantiles.
//
// Thread rule: Histogram has one writer; HistogramValues is a plain value.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "proxy/base/clock.h"
#include "proxy/observe/counter.h"

namespace remora::proxy {

// Upper bounds in seconds: the buckets that OpenTelemetry recommends for HTTP, and three below
// them, as a backend beside us answers in less than 5 ms.
inline constexpr std::array<double, 17> kDurationBounds{
    .0005, .001, .0025, .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10};
inline constexpr std::size_t kDurationBuckets = kDurationBounds.size() + 1;  // the last: above all

struct HistogramValues {
  std::array<std::uint64_t, kDurationBuckets> buckets{};  // not cumulative
  std::uint64_t sum_us = 0;

  std::uint64_t Count() const;
  // In seconds, 0 < q < 1, interpolated inside the bucket; the last bound for what lies above it; 0
  // where nothing was counted.
  double Quantile(double q) const;
  HistogramValues& operator+=(const HistogramValues& other);
  // No bucket has less than in `other`.
  bool Contains(const HistogramValues& other) const;
  // What was added since `before`, which it contains.
  HistogramValues& operator-=(const HistogramValues& before);
};

class Histogram {
 public:
  void Observe(Duration duration);
  HistogramValues Get() const;

 private:
  std::array<Counter, kDurationBuckets> buckets_;
  Counter sum_us_;
};

}  // namespace remora::proxy
