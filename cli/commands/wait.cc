#include "cli/commands/wait.h"

#include <optional>
#include <utility>

#include "cli/commands/lookup.h"
#include "cli/commands/waiting.h"
#include "cli/duration.h"
#include "cli/output/views.h"

namespace remora::cli {
namespace {

// The server with the uid of `server`; nullopt when there is none any more.
Reply<std::optional<v1::Server>> Find(const v1::Server& server, const Context& context) {
  v1::GetServerRequest request;
  request.set_pool(server.pool());
  request.set_id(server.id());
  auto got = context.client.GetServer(request);
  if (got && got->uid() == server.uid()) return *std::move(got);
  if (!got && got.error().exit == ExitCode::kNotFound) return std::nullopt;
  if (!got) return std::unexpected(std::move(got.error()));
  // The id was added again, and GetServer prefers what takes traffic: only the list shows whether
  // ours still drains.
  auto all = ListAllServers(context.client, server.pool());
  if (!all) return std::unexpected(std::move(all.error()));
  for (v1::Server& listed : *all->mutable_servers()) {
    if (listed.uid() == server.uid()) return std::move(listed);
  }
  return std::nullopt;
}

std::unexpected<Failure> SomebodyElse(const v1::Server& server, const std::string& did) {
  return std::unexpected(Failure{.exit = ExitCode::kPrecondition,
                                 .message = NameOf(server) + " was " + did + " while waiting",
                                 .hint = "see who else changes the servers of this sidecar"});
}

std::unexpected<Failure> StillRuns(const v1::Server& server, std::chrono::milliseconds limit) {
  return std::unexpected(
      Failure{.exit = ExitCode::kTimeout,
              .message = NameOf(server) + " still has " +
                         std::to_string(server.status().active_requests()) + " requests after " +
                         FormatDuration(limit),
              .hint = "it gets no new requests; those that run are cut at its drain deadline"});
}

}  // namespace

Reply<v1::Server> WaitUntilActive(const v1::Server& server, const Context& context) {
  Waiting waiting(context.options.timeout, context.clock);
  while (true) {
    auto found = Find(server, context);
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found || IsRemoved(**found)) return SomebodyElse(server, "removed");
    const v1::ServerStatus& status = (*found)->status();
    if (status.drained()) {
      return std::unexpected(
          Failure{.exit = ExitCode::kPrecondition,
                  .message = NameOf(server) + " is drained: it takes no traffic",
                  .hint = "open it with `remoractl servers undrain " + NameOf(server) + "`"});
    }
    if (status.state() == v1::ServerStatus::ACTIVE) return std::move(**found);
    if (waiting.over()) {
      return std::unexpected(Failure{
          .exit = ExitCode::kTimeout,
          .message = NameOf(server) + " is still " + v1::ServerStatus::State_Name(status.state()) +
                     " after " + FormatDuration(context.options.timeout) +
                     (status.reason().empty() ? "" : ": " + status.reason()),
          .hint = "it stays added and takes traffic once a probe passes; see "
                  "`remoractl servers get " +
                  server.id() + "`"});
    }
    waiting.Pause();
  }
}

Reply<v1::Server> WaitUntilIdle(const v1::Server& server, std::chrono::milliseconds limit,
                                const Context& context) {
  Waiting waiting(limit, context.clock);
  while (true) {
    auto found = Find(server, context);
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found || IsRemoved(**found)) return SomebodyElse(server, "removed");
    if (!(*found)->status().drained()) return SomebodyElse(server, "opened again");
    if ((*found)->status().active_requests() == 0) return std::move(**found);
    if (waiting.over()) return StillRuns(**found, limit);
    waiting.Pause();
  }
}

Outcome WaitUntilGone(const v1::Server& server, std::chrono::milliseconds limit,
                      const Context& context) {
  Waiting waiting(limit, context.clock);
  while (true) {
    auto found = Find(server, context);
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) return {};
    if (waiting.over()) return StillRuns(**found, limit);
    waiting.Pause();
  }
}

}  // namespace remora::cli
