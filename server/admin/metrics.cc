#include "server/admin/metrics.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "proxy/base/abseil.h"
#include "proxy/base/limit.h"

namespace remora::server {
namespace {

using proxy::Limit;

// Every limit has its series from the start, so that an alert's rate() sees the first hit.
void AppendLimitHits(const proxy::LimitHits& hits, std::string& out) {
  out +=
      "# HELP remora_limit_hits_total Requests and connections that hit a limit of the data "
      "plane.\n"
      "# TYPE remora_limit_hits_total counter\n";
  for (std::size_t i = 1; i < proxy::kLimitCount; ++i) {
    const auto limit = static_cast<Limit>(i);
    absl::StrAppend(&out, "remora_limit_hits_total{limit=\"", ToAbsl(Name(limit)), "\"} ",
                    hits.Get(limit), "\n");
  }
}

}  // namespace

std::string RenderMetrics(const proxy::LimitHits& limit_hits) {
  std::string out;
  AppendLimitHits(limit_hits, out);
  return out;
}

}  // namespace remora::server
