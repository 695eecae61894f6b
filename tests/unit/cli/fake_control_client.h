// A control API in memory, for tests of the commands: plays back what a test put in and keeps what
// it was asked.
#pragma once

#include <deque>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/context.h"
#include "cli/control_client.h"

namespace remora::cli {

class FakeControlClient final : public ControlClient {
 public:
  Reply<v1::AddServerResponse> AddServer(const v1::AddServerRequest& request) override {
    changes.push_back("add " + request.pool() + "/" + request.id());
    added = request;
    return add_reply;
  }
  Reply<v1::RemoveServerResponse> RemoveServer(const v1::RemoveServerRequest& request) override {
    changes.push_back("remove " + request.pool() + "/" + request.id());
    removed = request;
    return remove_reply;
  }
  Reply<v1::ListServersResponse> ListServers(const v1::ListServersRequest& request) override {
    listed.push_back(request);
    if (list_replies.size() > 1) {
      auto reply = std::move(list_replies.front());
      list_replies.pop_front();
      return reply;
    }
    return list_replies.front();  // the last one is given for ever
  }
  Reply<v1::Server> GetServer(const v1::GetServerRequest& request) override {
    got = request;
    ++gets;
    if (get_replies.size() > 1) {
      auto reply = std::move(get_replies.front());
      get_replies.pop_front();
      return reply;
    }
    return get_replies.empty() ? get_reply : get_replies.front();
  }
  Reply<v1::HealthResponse> Health(const v1::HealthRequest&) override {
    if (health_replies.empty()) return health_reply;
    auto reply = std::move(health_replies.front());
    health_replies.pop_front();
    return reply;
  }
  Reply<v1::ShutdownResponse> Shutdown(const v1::ShutdownRequest& request) override {
    shutdowns.push_back(request.scope());
    return shutdown_reply;
  }
  Reply<v1::UpdateServerResponse> UpdateServer(const v1::UpdateServerRequest& request) override {
    changes.push_back("update " + request.pool() + "/" + request.id());
    updated = request;
    return update_reply;
  }
  Reply<v1::ReplaceServersResponse> ReplaceServers(
      const v1::ReplaceServersRequest& request) override {
    replaced.push_back(request);
    return replace_reply;
  }
  Reply<v1::DrainServerResponse> DrainServer(const v1::DrainServerRequest& request) override {
    drained = request;
    return drain_reply;
  }
  Reply<v1::UndrainServerResponse> UndrainServer(const v1::UndrainServerRequest& request) override {
    undrained = request;
    return undrain_reply;
  }

  Reply<v1::AddServerResponse> add_reply;
  Reply<v1::RemoveServerResponse> remove_reply;
  std::deque<Reply<v1::ListServersResponse>> list_replies = {v1::ListServersResponse()};
  Reply<v1::Server> get_reply;
  std::deque<Reply<v1::Server>> get_replies;  // instead of get_reply; the last one is for ever
  Reply<v1::HealthResponse> health_reply;
  std::deque<Reply<v1::HealthResponse>> health_replies;  // before health_reply, one a call
  Reply<v1::UpdateServerResponse> update_reply;
  Reply<v1::DrainServerResponse> drain_reply;
  Reply<v1::UndrainServerResponse> undrain_reply;
  Reply<v1::ShutdownResponse> shutdown_reply;
  Reply<v1::ReplaceServersResponse> replace_reply;

  v1::AddServerRequest added;
  v1::RemoveServerRequest removed;
  v1::UpdateServerRequest updated;
  v1::DrainServerRequest drained;
  v1::UndrainServerRequest undrained;
  std::vector<v1::ReplaceServersRequest> replaced;
  std::vector<std::string> changes;  // in the order of the calls
  std::vector<v1::ListServersRequest> listed;
  v1::GetServerRequest got;
  int gets = 0;
  std::vector<v1::ShutdownRequest::Scope> shutdowns;
};

// Stands still, except that a pause takes as long as it says.
class FakeClock final : public Clock {
 public:
  std::chrono::system_clock::time_point Now() override { return now; }
  std::chrono::steady_clock::time_point Steady() override { return steady; }
  void Pause(std::chrono::milliseconds duration) override {
    pauses.push_back(duration);
    steady += duration;
  }

  std::chrono::system_clock::time_point now{std::chrono::seconds(1'000'000)};
  std::chrono::steady_clock::time_point steady;
  std::vector<std::chrono::milliseconds> pauses;
};

// A command's surroundings, ready to use.
struct Bench {
  FakeControlClient client;
  FakeClock clock;
  GlobalOptions options{.server = "unix:/x.sock"};
  std::ostringstream out;
  std::ostringstream err;

  Context context() {
    return {.client = client, .options = options, .clock = clock, .out = out, .err = err};
  }
};

inline v1::Server MakeServer(const std::string& id, const std::string& url,
                             v1::ServerStatus::State state = v1::ServerStatus::ACTIVE) {
  v1::Server server;
  server.set_pool("default");
  server.set_id(id);
  server.set_uid("uid-" + id);
  server.set_owner("api");
  server.mutable_spec()->set_url(url);
  server.mutable_spec()->set_weight(1);
  server.mutable_create_time()->set_seconds(1'000'000 - 300);
  server.mutable_status()->set_state(state);
  return server;
}

// As RemoveServer answers it: it drains until `left` after FakeClock's now.
inline v1::Server MakeDraining(const std::string& id, const std::string& url,
                               std::chrono::seconds left) {
  v1::Server server = MakeServer(id, url, v1::ServerStatus::DRAINING);
  server.mutable_status()->mutable_drain_deadline()->set_seconds(1'000'000 + left.count());
  return server;
}

inline Failure ServerNotFound() {
  return {.exit = ExitCode::kNotFound, .message = "no server", .reason = "SERVER_NOT_FOUND"};
}

inline v1::ListServersResponse MakePage(const std::vector<v1::Server>& servers,
                                        const std::string& next_page_token = {}) {
  v1::ListServersResponse page;
  for (const v1::Server& server : servers) *page.add_servers() = server;
  page.set_next_page_token(next_page_token);
  return page;
}

}  // namespace remora::cli
