#include "proxy/observe/histogram.h"

#include <gtest/gtest.h>

namespace remora::proxy {
namespace {

using std::chrono::microseconds;

HistogramValues Observed(std::initializer_list<int> us) {
  Histogram histogram;
  for (const int value : us) histogram.Observe(microseconds(value));
  return histogram.Get();
}

TEST(HistogramTest, ABoundBelongsToItsBucket) {
  const HistogramValues values = Observed({0, 500, 501, 10'000'000, 10'000'001});
  EXPECT_EQ(values.buckets[0], 2U);  // up to 0.5 ms
  EXPECT_EQ(values.buckets[1], 1U);
  EXPECT_EQ(values.buckets[kDurationBuckets - 2], 1U);  // up to 10 s
  EXPECT_EQ(values.buckets[kDurationBuckets - 1], 1U);
  EXPECT_EQ(values.Count(), 5U);
  EXPECT_EQ(values.sum_us, 20'001'002U);
}

TEST(HistogramTest, QuantilesAreInterpolatedInTheirBucket) {
  // Four between 5 and 10 ms: half of them lie below the middle of the bucket.
  EXPECT_DOUBLE_EQ(Observed({6000, 7000, 8000, 9000}).Quantile(0.5), 0.0075);
  EXPECT_DOUBLE_EQ(Observed({6000, 7000, 8000, 9000}).Quantile(0.99), 0.00995);
}

TEST(HistogramTest, QuantilesHaveLimits) {
  EXPECT_EQ(Observed({}).Quantile(0.5), 0);
  EXPECT_EQ(Observed({60'000'000}).Quantile(0.5), 10);
}

TEST(HistogramTest, DifferencesAreWhatCameBetween) {
  Histogram histogram;
  histogram.Observe(microseconds(100));
  const HistogramValues before = histogram.Get();
  histogram.Observe(microseconds(2000));
  HistogramValues since = histogram.Get();
  since -= before;
  EXPECT_EQ(since.Count(), 1U);
  EXPECT_EQ(since.sum_us, 2000U);
  since += before;
  EXPECT_EQ(since.Count(), 2U);
}

}  // namespace
}  // namespace remora::proxy
