// The metrics of the process as Prometheus' text format 0.0.4. Pure.
#pragma once

#include <string>

#include "proxy/observe/limit_hits.h"

namespace remora::server {

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string RenderMetrics(const proxy::LimitHits& limit_hits);

}  // namespace remora::server
