#include "proxy/observe/histogram.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace remora::proxy {

std::uint64_t HistogramValues::Count() const {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

double HistogramValues::Quantile(double q) const {
  const double rank = q * static_cast<double>(Count());
  double below = 0;
  for (std::size_t i = 0; i < kDurationBounds.size(); ++i) {
    const auto here = static_cast<double>(buckets[i]);
    if (here > 0 && below + here >= rank) {
      const double from = i == 0 ? 0 : kDurationBounds[i - 1];
      return from + (kDurationBounds[i] - from) * std::max(0.0, rank - below) / here;
    }
    below += here;
  }
  return Count() == 0 ? 0 : kDurationBounds.back();
}

HistogramValues& HistogramValues::operator+=(const HistogramValues& other) {
  for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
  sum_us += other.sum_us;
  return *this;
}

bool HistogramValues::Contains(const HistogramValues& other) const {
  return std::ranges::equal(other.buckets, buckets, std::ranges::less_equal());
}

HistogramValues& HistogramValues::operator-=(const HistogramValues& before) {
  for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] -= before.buckets[i];
  sum_us -= before.sum_us;
  return *this;
}

void Histogram::Observe(Duration duration) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  const double seconds = static_cast<double>(us) / 1e6;
  const auto bucket = std::ranges::lower_bound(kDurationBounds, seconds);
  buckets_[static_cast<std::size_t>(bucket - kDurationBounds.begin())].Add();
  sum_us_.Add(static_cast<std::uint64_t>(std::max<decltype(us)>(us, 0)));
}

HistogramValues Histogram::Get() const {
  HistogramValues values;
  for (std::size_t i = 0; i < kDurationBuckets; ++i) values.buckets[i] = buckets_[i].Get();
  values.sum_us = sum_us_.Get();
  return values;
}

}  // namespace remora::proxy
