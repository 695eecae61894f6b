#include "cli/commands/wait.h"

#include <optional>
#include <utility>

#include "cli/commands/lookup.h"
#include "cli/duration.h"

namespace remora::cli {
namespace {

constexpr std::chrono::milliseconds kPollInterval{50};

// The server with the uid of `server`; nullopt when there is none any more. GetServer would show
// one that was added again under the same id, so the list is read.
Reply<std::optional<v1::Server>> Find(const v1::Server& server, const Context& context) {
  auto all = ListAllServers(context.client, server.pool());
  if (!all) return std::unexpected(std::move(all.error()));
  for (v1::Server& listed : *all->mutable_servers()) {
    if (listed.uid() == server.uid()) return std::move(listed);
  }
  return std::nullopt;
}

std::string NameOf(const v1::Server& server) { return server.pool() + "/" + server.id(); }

}  // namespace

Reply<v1::Server> WaitUntilActive(const v1::Server& server, const Context& context) {
  const auto deadline = context.clock.Steady() + context.options.timeout;
  while (true) {
    auto found = Find(server, context);
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found || (*found)->status().state() == v1::ServerStatus::DRAINING) {
      return std::unexpected(Failure{.exit = ExitCode::kPrecondition,
                                     .message = NameOf(server) + " was removed while waiting",
                                     .hint = "see who else changes the servers of this sidecar"});
    }
    const v1::ServerStatus& status = (*found)->status();
    if (status.state() == v1::ServerStatus::ACTIVE) return std::move(**found);
    if (context.clock.Steady() >= deadline) {
      return std::unexpected(Failure{
          .exit = ExitCode::kTimeout,
          .message = NameOf(server) + " is still " + v1::ServerStatus::State_Name(status.state()) +
                     " after " + FormatDuration(context.options.timeout) +
                     (status.reason().empty() ? "" : ": " + status.reason()),
          .hint = "it stays added and takes traffic once a probe passes; see "
                  "`remoractl servers get " +
                  server.id() + "`"});
    }
    context.clock.Pause(kPollInterval);
  }
}

Outcome WaitUntilGone(const v1::Server& server, std::chrono::milliseconds limit,
                      const Context& context) {
  const auto deadline = context.clock.Steady() + limit;
  while (true) {
    auto found = Find(server, context);
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) return {};
    if (context.clock.Steady() >= deadline) {
      return std::unexpected(
          Failure{.exit = ExitCode::kTimeout,
                  .message = NameOf(server) + " still has " +
                             std::to_string((*found)->status().active_requests()) +
                             " requests after " + FormatDuration(limit),
                  .hint = "it gets no new requests; those that run are cut at its drain deadline"});
    }
    context.clock.Pause(kPollInterval);
  }
}

}  // namespace remora::cli
