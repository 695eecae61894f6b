#include "server/admin/live_feeds.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proxy/base/abseil.h"
#include "server/admin/answers.h"
#include "server/admin/json.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

std::string EventJson(const proxy::Event& event) {
  return JsonObject()
      .Number("id", event.id)
      .Raw("time", JsonTime(event.time))
      .Text("kind", event.kind)
      .Text("pool", event.pool)
      .Text("server", event.server)
      .Text("cause", event.cause)
      .Text("from", event.from)
      .Text("to", event.to)
      .str();
}

}  // namespace

struct LiveFeeds::Mail {
  std::atomic<bool> pending = false;
  LiveFeeds* feeds = nullptr;  // the loop's thread only
};

LiveFeeds::LiveFeeds(proxy::net::Loop& loop, LiveSources sources)
    : loop_(loop),
      sources_(std::move(sources)),
      process_(absl::StrFormat("%08x", std::random_device()())),
      tick_(loop),
      mail_(std::make_shared<Mail>()) {
  stats_.SetConstant(absl::StrCat(R"("version":)", JsonText(sources_.version), R"(,"mutations":)",
                                  sources_.allow_mutations ? "true" : "false", R"(,"can_drain":)",
                                  sources_.can_drain ? "true" : "false", ","));
  mail_->feeds = this;
  subscription_ = sources_.events.Subscribe([mail = mail_, &loop_ref = loop_] {
    if (mail->pending.exchange(true)) return;
    loop_ref.Post([mail] {
      mail->pending = false;
      if (mail->feeds != nullptr) mail->feeds->SendEvents();
    });
  });
}

LiveFeeds::~LiveFeeds() {
  sources_.events.Unsubscribe(subscription_);
  mail_->feeds = nullptr;
}

HttpAnswer LiveFeeds::Events(const HttpRequest& request) {
  Reader reader{.stream = nullptr,
                .wants_events = true,
                .wants_stats = QueryValue(request.query, "stats") == "1",
                .last_event = ParseEventId(request.last_event_id)};
  return {.stream = [this, reader](std::shared_ptr<EventStream> stream) mutable {
    reader.stream = std::move(stream);
    Open(std::move(reader));
  }};
}

HttpAnswer LiveFeeds::Stats(const HttpRequest& request) {
  if (!absl::StrContains(ToAbsl(request.accept), "text/event-stream")) return JsonAnswer(Look());
  return {.stream = [this](std::shared_ptr<EventStream> stream) {
    Open({.stream = std::move(stream), .wants_stats = true});
  }};
}

void LiveFeeds::Stop() {
  tick_.Cancel();
  readers_.clear();
}

void LiveFeeds::Open(Reader reader) {
  std::erase_if(readers_, [](const Reader& one) { return one.stream->closed(); });
  if (reader.wants_stats) reader.stream->Send(EventText("stats", "", Look()));
  const bool wants_stats = reader.wants_stats;
  readers_.push_back(std::move(reader));
  SendEvents();
  if (wants_stats && !ticking_) ScheduleTick();
}

void LiveFeeds::SendEvents() {
  for (Reader& reader : readers_) {
    if (!reader.wants_events) continue;
    for (const proxy::Event& event : sources_.events.Since(reader.last_event)) {
      reader.last_event = event.id;
      if (!reader.stream->Send(EventText("event", EventId(event.id), EventJson(event)))) break;
    }
  }
}

void LiveFeeds::SendStats() {
  std::string message;
  for (const Reader& reader : readers_) {
    // Who does not keep up gets the next look instead.
    if (!reader.wants_stats || reader.stream->closed() || !reader.stream->idle()) continue;
    if (message.empty()) message = EventText("stats", "", Look());
    reader.stream->Send(message);
  }
}

void LiveFeeds::ScheduleTick() {
  std::erase_if(readers_, [](const Reader& one) { return one.stream->closed(); });
  ticking_ = std::ranges::any_of(readers_, &Reader::wants_stats);
  if (!ticking_) return;
  tick_.ExpireAfter(kInterval);
  tick_.OnExpiry([this] {
    SendStats();
    ScheduleTick();
  });
}

std::string LiveFeeds::Look() {
  const auto page = sources_.registry.List("", std::nullopt, kMaxServers);
  const auto numbers = sources_.numbers ? sources_.numbers() : std::vector<ServerNumbers>();
  return stats_.Look(page.ok() ? page->servers : std::vector<proxy::ServerView>(),
                     page.ok() && page->more, numbers, proxy::Clock::now(),
                     proxy::WallClock::now());
}

std::string LiveFeeds::EventId(std::uint64_t id) const { return absl::StrCat(process_, "-", id); }

std::uint64_t LiveFeeds::ParseEventId(std::string_view text) const {
  if (!text.starts_with(process_ + "-")) return 0;
  return ParseNumber(text.substr(process_.size() + 1)).value_or(0);
}

}  // namespace remora::server
