// GET /events and GET /stats: what happens and how it stands, as Server-Sent Events.
//
// Threads: that of the loop; events may be added to the log on any. Lifetime: the loop, the
// registry and the log of events outlive it, and it outlives the server that its answers go
// through.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/net/loop.h"
#include "proxy/net/timer.h"
#include "proxy/observe/event_log.h"
#include "proxy/registry/registry.h"
#include "server/admin/http_server.h"
#include "server/admin/stats.h"

namespace remora::server {

struct LiveSources {
  proxy::Registry& registry;
  proxy::EventLog& events;
  // Empty: nothing is counted.
  std::function<std::vector<ServerNumbers>()> numbers = {};
  std::string version = {};
  // What the dashboard may offer.
  bool allow_mutations = false;
  bool can_drain = false;
};

class LiveFeeds {
 public:
  static constexpr std::chrono::seconds kInterval{1};
  // Of a look at the numbers; the stream of more would be megabytes a second.
  static constexpr std::size_t kMaxServers = 1000;

  LiveFeeds(proxy::net::Loop& loop, LiveSources sources);
  ~LiveFeeds();
  LiveFeeds(const LiveFeeds&) = delete;
  LiveFeeds& operator=(const LiveFeeds&) = delete;

  // The kept events after Last-Event-ID (all where that is of another process), then each new one:
  // `event: event`. With ?stats=1 also what Stats has, as `event: stats`, so that a page needs one
  // connection.
  HttpAnswer Events(const HttpRequest& request);
  // The numbers each second as `event: stats` to who accepts text/event-stream, else once, as JSON.
  HttpAnswer Stats(const HttpRequest& request);
  // Lets the loop end.
  void Stop();

 private:
  struct Reader {
    std::shared_ptr<EventStream> stream;
    bool wants_events = false;
    bool wants_stats = false;
    std::uint64_t last_event = 0;
  };
  // What other threads and the loop's mailbox may hold longer than this lives.
  struct Mail;

  void Open(Reader reader);
  void SendEvents();
  void SendStats();
  void ScheduleTick();
  std::string Look();
  std::string EventId(std::uint64_t id) const;
  // 0 where the id is not one of this process.
  std::uint64_t ParseEventId(std::string_view text) const;

  proxy::net::Loop& loop_;
  const LiveSources sources_;
  // Ids of events begin at 1 in each process, so a reader says of which it has seen them.
  const std::string process_;
  server::Stats stats_;
  std::vector<Reader> readers_;
  proxy::net::Timer tick_;
  bool ticking_ = false;
  std::shared_ptr<Mail> mail_;
  std::uint64_t subscription_ = 0;
};

}  // namespace remora::server
