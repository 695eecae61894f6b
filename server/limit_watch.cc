#include "server/limit_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace remora::server {
namespace {

using proxy::Limit;

bool IsRoutine(Limit limit) {
  return limit == Limit::kNone || limit == Limit::kKeepAliveTime ||
         limit == Limit::kConnectionRequests;
}

}  // namespace

std::vector<proxy::Event> LimitWatch::Look(const proxy::LimitHits& hits) {
  std::vector<proxy::Event> events;
  for (std::size_t i = 0; i < proxy::kLimitCount; ++i) {
    const auto limit = static_cast<Limit>(i);
    const std::uint64_t now = hits.Get(limit);
    const std::uint64_t before = std::exchange(seen_[i], now);
    if (now == before || IsRoutine(limit)) continue;
    proxy::Event event;
    event.kind = "limit";
    event.cause = absl::StrCat(std::string(Name(limit)), " was hit ", now - before,
                               now - before == 1 ? " time, " : " times, ", now, " since the start");
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace remora::server
