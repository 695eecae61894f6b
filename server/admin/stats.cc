#include "server/admin/stats.h"

#include <string_view>
#include <utility>

#include "server/admin/json.h"

namespace remora::server {
namespace {

std::string ServerStats(const proxy::ServerView& view, const ServerNumbers* numbers,
                        const std::optional<double>& rate) {
  JsonObject object;
  object.Text("pool", view.pool)
      .Text("id", view.id)
      .Text("uid", view.uid)
      .Text("url", view.spec.url)
      .Text("owner", view.owner)
      .Text("state", proxy::StateName(view.state))
      .Text("reason", view.reason)
      .Number("weight", view.spec.weight)
      .Number("max_active", view.spec.max_active)
      .Number("active", view.active)
      .Bool("drained", view.drained);
  if (view.drain_deadline) object.Raw("drain_deadline", JsonTime(*view.drain_deadline));
  if (numbers == nullptr) return object.str();
  object.Number("requests", numbers->requests).Number("failures", numbers->failures);
  if (rate) object.Real("rps", *rate);
  if (numbers->p50_ms) object.Real("p50_ms", *numbers->p50_ms);
  if (numbers->p99_ms) object.Real("p99_ms", *numbers->p99_ms);
  return object.str();
}

}  // namespace

void Stats::UpdateRates(const std::vector<ServerNumbers>& numbers, proxy::TimePoint now) {
  const auto passed = now - seen_at_;
  if (!seen_.empty() && passed < kMinInterval) return;
  const bool fresh = passed <= kMaxInterval;
  const double seconds = std::chrono::duration<double>(passed).count();
  decltype(seen_) seen;
  for (const ServerNumbers& one : numbers) {
    Seen next{.requests = one.requests, .rate = std::nullopt};
    const std::pair name(one.pool, one.id);
    const auto before = seen_.find(name);
    if (before != seen_.end() && fresh && one.requests >= before->second.requests) {
      next.rate = static_cast<double>(one.requests - before->second.requests) / seconds;
    }
    seen.emplace(name, next);
  }
  seen_ = std::move(seen);
  seen_at_ = now;
}

std::string Stats::Look(const std::vector<proxy::ServerView>& servers, bool more,
                        const std::vector<ServerNumbers>& numbers, proxy::TimePoint now,
                        proxy::WallTime time) {
  UpdateRates(numbers, now);
  std::map<std::pair<std::string_view, std::string_view>, const ServerNumbers*> by_name;
  for (const ServerNumbers& one : numbers) by_name[{one.pool, one.id}] = &one;
  JsonArray list;
  for (const proxy::ServerView& view : servers) {
    const auto found = by_name.find({view.pool, view.id});
    const auto seen = seen_.find({view.pool, view.id});
    list.Add(ServerStats(view, found == by_name.end() ? nullptr : found->second,
                         seen == seen_.end() ? std::nullopt : seen->second.rate));
  }
  return "{" + constant_ +
         JsonObject()
             .Raw("time", JsonTime(time))
             .Bool("more", more)
             .Raw("servers", list.str())
             .str()
             .substr(1);
}

}  // namespace remora::server
