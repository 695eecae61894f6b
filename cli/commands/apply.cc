#include <utility>
#include <vector>

#include "cli/apply/plan.h"
#include "cli/apply/wanted.h"
#include "cli/commands/commands.h"
#include "cli/commands/lookup.h"
#include "cli/commands/print.h"

namespace remora::cli {
namespace {

Outcome Add(const Step& step, ControlClient& client) {
  v1::AddServerRequest request;
  request.set_pool(step.pool);
  request.set_id(step.id);
  *request.mutable_spec() = step.spec;
  auto added = client.AddServer(request);
  if (!added) return std::unexpected(std::move(added.error()));
  return {};
}

Outcome Update(const Step& step, ControlClient& client) {
  v1::UpdateServerRequest request;
  request.set_pool(step.pool);
  request.set_id(step.id);
  *request.mutable_spec() = step.spec;
  auto updated = client.UpdateServer(request);
  if (!updated) return std::unexpected(std::move(updated.error()));
  return {};
}

Outcome Remove(const Step& step, ControlClient& client) {
  v1::RemoveServerRequest request;
  request.set_pool(step.pool);
  request.set_id(step.id);
  request.set_allow_missing(true);  // somebody else was faster
  auto removed = client.RemoveServer(request);
  if (!removed) return std::unexpected(std::move(removed.error()));
  return {};
}

Outcome Take(const Step& step, ControlClient& client) {
  switch (step.kind) {
    case Step::Kind::kAdd:
      return Add(step, client);
    case Step::Kind::kUpdate:
      return Update(step, client);
    case Step::Kind::kRemove:
      return Remove(step, client);
    case Step::Kind::kReplace:
      if (auto removed = Remove(step, client); !removed) return removed;
      return Add(step, client);
  }
  return {};
}

}  // namespace

Outcome ServersApply(const ServersApplyOptions& options, const Context& context) {
  const auto wanted = ReadWanted(options.file);
  if (!wanted) return std::unexpected(wanted.error());
  const auto all = ListAllServers(context.client, "");
  if (!all) return std::unexpected(all.error());
  const std::vector<v1::Server> present(all->servers().begin(), all->servers().end());
  const auto plan = MakePlan(*wanted, present, options.prune);
  if (!plan) return std::unexpected(plan.error());
  // A line when its step is done, so that after a failure it is plain how far it went.
  for (const Step& step : plan->steps) {
    if (!options.dry_run) {
      if (auto taken = Take(step, context.client); !taken) {
        Failure failure = std::move(taken.error());
        failure.message = "at " + step.text + ": " + failure.message;
        return std::unexpected(std::move(failure));
      }
    }
    PrintStep(step, context);
  }
  NoteSummary(*plan, options.dry_run, context);
  return {};
}

}  // namespace remora::cli
