// Writes metrics in the text format of Prometheus, and in OpenMetrics where that differs.
//
// One thread; the text is complete after Finish.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/observe/histogram.h"

namespace remora::server {

class Exposition {
 public:
  enum class Type : std::uint8_t { kCounter, kGauge, kHistogram };
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  explicit Exposition(bool open_metrics) : open_metrics_(open_metrics) {}

  // Begins the samples of `name` ("remora_requests_total").
  void Begin(std::string_view name, Type type, std::string_view help);
  void Sample(Labels labels, std::uint64_t value);
  void Sample(Labels labels, double value);
  void Sample(Labels labels, const proxy::HistogramValues& values);

  std::string Finish();

 private:
  void Line(std::string_view suffix, Labels labels, std::string_view le, std::string_view value);

  const bool open_metrics_;
  std::string_view name_;
  std::string out_;
};

}  // namespace remora::server
