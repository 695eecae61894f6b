#include "cli/inject/plan.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "cli/inject/check.h"
#include "cli/inject/list_edits.h"
#include "cli/inject/sidecar.h"

namespace remora::cli::inject {
namespace {

using enum YamlNode::Kind;

std::unexpected<Failure> Refused(const Workload& workload, std::vector<FieldViolation> violations,
                                 std::string hint) {
  return std::unexpected(
      Failure{.exit = ExitCode::kUsage,
              .message = workload.name + " can't be changed; nothing was written:",
              .violations = std::move(violations),
              .hint = std::move(hint)});
}

std::array<ListGoal, 2> Goals(std::vector<YamlNode> containers, std::vector<YamlNode> volumes) {
  // First, so that the init containers behind it have it already, and it ends last.
  return {{{.key = "initContainers",
            .items = std::move(containers),
            .ours = kContainerNames,
            .place = ListGoal::Place::kFront,
            .before = "containers"},
           {.key = "volumes", .items = std::move(volumes), .ours = kVolumeNames}}};
}

// Why the list can't be read where it stands; empty where it can, or where there is none.
std::string ListProblem(const Workload& workload, std::string_view key) {
  const YamlEntry* entry = FindEntry(workload.pod_spec(), key);
  const std::string name(key);
  if (entry == nullptr) {
    return workload.Find(key) == nullptr ? "" : name + " comes from a merged map (<<)";
  }
  if (entry->value.kind == kAlias) return name + " is an alias";
  if (entry->value.kind != kSequence && entry->value.kind != kNull) return name + " is no list";
  return {};
}

// Why it can't be changed, though it can be read.
std::string ChangeProblem(const Workload& workload, std::string_view key) {
  if (!workload.shared.empty()) return workload.shared;
  for (const YamlEntry& entry : workload.pod_spec().entries) {
    if (entry.key.value != key || (entry.value.anchor == 0 && !entry.value.tagged)) continue;
    return std::string(key) + " has an anchor or a tag";
  }
  return {};
}

Reply<std::vector<Edit>> PlanLists(const Workload& workload, std::array<ListGoal, 2> goals,
                                   const Source& source) {
  const YamlNode& spec = workload.pod_spec();
  const auto refuse = [&](std::string_view key, std::string problem) {
    const YamlEntry* entry = FindEntry(spec, key);
    const std::size_t offset = (entry == nullptr ? workload.spec->key : entry->key).offset;
    return Refused(workload, {{source.PlaceOf(offset), std::move(problem)}},
                   "write it out, without an anchor, so that it can be changed for this workload "
                   "alone");
  };
  // A new list may begin where one that is there is made longer, and then comes behind it.
  std::ranges::partition(
      goals, [&](const ListGoal& goal) { return FindEntry(spec, goal.key) != nullptr; });
  const BlockStyle style = StyleOf(source, *workload.spec);
  std::vector<Edit> edits;
  for (const ListGoal& goal : goals) {
    if (std::string problem = ListProblem(workload, goal.key); !problem.empty()) {
      return refuse(goal.key, std::move(problem));
    }
    std::vector<Edit> some = EditsFor(goal, spec, source, style);
    if (some.empty()) continue;
    if (std::string problem = ChangeProblem(workload, goal.key); !problem.empty()) {
      return refuse(goal.key, std::move(problem));
    }
    std::ranges::move(some, std::back_inserter(edits));
  }
  if (source.LineBreak() == "\r\n") {
    for (Edit& edit : edits) {
      for (std::size_t at = 0; (at = edit.text.find('\n', at)) != std::string::npos; at += 2) {
        edit.text.insert(at, 1, '\r');
      }
    }
  }
  return edits;
}

}  // namespace

Reply<std::vector<Edit>> PlanInjection(const Workload& workload, const SidecarOptions& options,
                                       const Source& source) {
  std::vector<FieldViolation> clashes;
  for (const Finding& clash : FindClashes(workload, source)) {
    clashes.push_back({.field = clash.place, .description = clash.what + ": " + clash.mend});
  }
  if (!clashes.empty()) {
    return Refused(workload, std::move(clashes),
                   "`remoractl inject --check` finds more of the kind");
  }
  return PlanLists(
      workload,
      Goals(SidecarContainers(options, GraceSecondsOf(workload)), SidecarVolumes(options)), source);
}

Reply<std::vector<Edit>> PlanRemoval(const Workload& workload, const Source& source) {
  // Then what has our names is somebody else's.
  if (!FindClashes(workload, source).empty()) return std::vector<Edit>();
  return PlanLists(workload, Goals({}, {}), source);
}

}  // namespace remora::cli::inject
