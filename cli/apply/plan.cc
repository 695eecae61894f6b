#include "cli/apply/plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "cli/commands/lookup.h"
#include "cli/output/views.h"

namespace remora::cli {
namespace {

constexpr const char* kOwner = "api";

std::map<std::string, std::string> LabelsOf(const v1::ServerSpec& spec) {
  return {spec.labels().begin(), spec.labels().end()};
}

std::string LabelsText(const v1::ServerSpec& spec) {
  std::string text;
  for (const auto& [key, value] : LabelsOf(spec)) {
    text += (text.empty() ? "" : ",") + key + "=" + value;
  }
  return text.empty() ? "none" : text;
}

std::string LimitText(std::uint32_t max_active) {
  return max_active == 0 ? "no limit" : std::to_string(max_active);
}

// "weight 1 -> 2, labels none -> zone=a"; empty where nothing differs.
std::string Differences(const v1::ServerSpec& from, const v1::ServerSpec& to) {
  std::string text;
  const auto differ = [&text](const char* what, const std::string& a, const std::string& b) {
    if (a != b) text += std::string(text.empty() ? "" : ", ") + what + " " + a + " -> " + b;
  };
  differ("url", CanonicalUrl(from.url()), CanonicalUrl(to.url()));
  differ("weight", std::to_string(from.weight()), std::to_string(to.weight()));
  differ("max_active", LimitText(from.max_active()), LimitText(to.max_active()));
  differ("labels", LabelsText(from), LabelsText(to));
  return text;
}

std::string Described(const v1::ServerSpec& spec) {
  std::string text = spec.url();
  if (spec.weight() > 1) text += " weight " + std::to_string(spec.weight());
  if (spec.max_active() != 0) text += " max_active " + std::to_string(spec.max_active());
  if (!spec.labels().empty()) text += " labels " + LabelsText(spec);
  return text;
}

const v1::Server* FindPresent(const WantedServer& wanted, std::span<const v1::Server> present,
                              const std::set<const v1::Server*>& taken) {
  const std::string url = CanonicalUrl(wanted.spec.url());
  const auto found = std::ranges::find_if(present, [&](const v1::Server& server) {
    if (IsRemoved(server) || server.pool() != wanted.pool || taken.contains(&server)) return false;
    return wanted.id.empty() ? CanonicalUrl(server.spec().url()) == url : server.id() == wanted.id;
  });
  return found == present.end() ? nullptr : &*found;
}

Step AddStep(const WantedServer& wanted) {
  return {.kind = Step::Kind::kAdd,
          .pool = wanted.pool,
          .id = wanted.id,
          .spec = wanted.spec,
          .text = wanted.pool + "/" + (wanted.id.empty() ? "(made from the url)" : wanted.id) +
                  ": " + Described(wanted.spec)};
}

Step ChangeStep(const v1::Server& server, const WantedServer& wanted,
                const std::string& differences) {
  const bool moved = CanonicalUrl(server.spec().url()) != CanonicalUrl(wanted.spec.url());
  return {
      .kind = moved ? Step::Kind::kReplace : Step::Kind::kUpdate,
      .pool = server.pool(),
      .id = server.id(),
      .spec = wanted.spec,
      .text = NameOf(server) + ": " + differences + (moved ? " (removed and added again)" : "")};
}

}  // namespace

Reply<Plan> MakePlan(std::span<const WantedServer> wanted, std::span<const v1::Server> present,
                     bool prune) {
  Plan plan;
  std::set<const v1::Server*> named;
  std::vector<FieldViolation> foreign;
  // Those with an id first: an entry that goes by its url must not take what another one names.
  for (const bool by_id : {true, false}) {
    for (const WantedServer& entry : wanted) {
      if (entry.id.empty() == by_id) continue;
      const v1::Server* server = FindPresent(entry, present, named);
      if (server == nullptr) {
        plan.steps.push_back(AddStep(entry));
        continue;
      }
      named.insert(server);
      const std::string differences = Differences(server->spec(), entry.spec);
      if (differences.empty()) {
        ++plan.unchanged;
      } else if (server->owner() == kOwner) {
        plan.steps.push_back(ChangeStep(*server, entry, differences));
      } else {
        foreign.push_back({.field = entry.where,
                           .description = NameOf(*server) + " is owned by '" + server->owner() +
                                          "' and differs: " + differences});
      }
    }
  }
  if (!foreign.empty()) {
    return std::unexpected(
        Failure{.exit = ExitCode::kPrecondition,
                .message = "some servers belong to others; nothing was changed:",
                .violations = std::move(foreign),
                .hint = "change them where they come from (for 'config' the file of remorad), or "
                        "write them as they are"});
  }
  std::vector<Step> removals;
  for (const v1::Server& server : present) {
    if (!prune || server.owner() != kOwner || IsRemoved(server) || named.contains(&server))
      continue;
    removals.push_back({.kind = Step::Kind::kRemove,
                        .pool = server.pool(),
                        .id = server.id(),
                        .spec = server.spec(),
                        .text = NameOf(server) + ": " + Described(server.spec())});
  }
  plan.steps.insert(plan.steps.begin(), removals.begin(), removals.end());
  return plan;
}

Plan PlanOf(const v1::ReplaceServersResponse& answer) {
  Plan plan{.steps = {}, .unchanged = answer.unchanged()};
  for (const v1::ServerChange& change : answer.changes()) {
    Step step{.kind = Step::Kind::kUpdate,
              .pool = change.pool(),
              .id = change.id(),
              .spec = change.after(),
              .text = change.pool() + "/" + change.id() + ": "};
    switch (change.kind()) {
      case v1::ServerChange::ADD:
        step.kind = Step::Kind::kAdd;
        step.text += Described(change.after());
        break;
      case v1::ServerChange::REMOVE:
        step.kind = Step::Kind::kRemove;
        step.text += Described(change.before());
        break;
      case v1::ServerChange::REPLACE:
        step.kind = Step::Kind::kReplace;
        step.text += Differences(change.before(), change.after()) + " (removed and added again)";
        break;
      default:
        step.text += Differences(change.before(), change.after());
    }
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

}  // namespace remora::cli
