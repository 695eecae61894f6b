#include "cli/inject/inject.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "cli/inject/edit.h"
#include "cli/inject/plan.h"
#include "cli/inject/source.h"
#include "cli/inject/verify.h"
#include "cli/inject/workload.h"
#include "cli/inject/yaml_document.h"

namespace remora::cli::inject {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

constexpr const char* kNoWorkload =
    "There is no Deployment, StatefulSet, DaemonSet, Job, CronJob or Pod.";

// The documents of a text and the workloads in them.
struct Parsed {
  std::vector<YamlDocument> documents;
  std::vector<Workload> workloads;
};

Reply<Parsed> Parse(const Source& source, const std::string& file) {
  Parsed parsed;
  auto documents = ParseYaml(source.text(), file);
  if (!documents) return std::unexpected(std::move(documents.error()));
  parsed.documents = *std::move(documents);
  auto workloads = FindWorkloads(parsed.documents, source);
  if (!workloads) return std::unexpected(std::move(workloads.error()));
  parsed.workloads = *std::move(workloads);
  return parsed;
}

std::unexpected<Failure> TooOld(const KubernetesVersion& cluster) {
  return std::unexpected(Failure{.exit = ExitCode::kUsage,
                                 .message = "Kubernetes " + std::to_string(cluster.major) + "." +
                                            std::to_string(cluster.minor) +
                                            " has no native sidecars, which came with 1.29",
                                 .hint = "start the application by `remoractl exec -- command`, as "
                                         "in deploy/kubernetes/overlays/exec"});
}

std::unexpected<Failure> Misplaced(const std::string& file) {
  return std::unexpected(Failure{
      .message = "the sidecar can't be placed in " + file +
                 " without changing something else; nothing was written",
      .hint = "write the pod specs in plain block style, and please report it with the file"});
}

// The edits for one workload, with what is to be said about it.
Reply<std::vector<Edit>> Plan(const Workload& workload, const Source& source,
                              const Request& request, std::vector<std::string>& remarks) {
  const auto remark = [&](const char* text) { remarks.push_back(workload.name + ": " + text); };
  if (request.remove) {
    auto edits = PlanRemoval(workload, source);
    if (edits) remark(edits->empty() ? "has no sidecar" : "sidecar taken out");
    return edits;
  }
  const auto options = ReadOptions(workload, request.flags, source);
  if (!options) return std::unexpected(options.error());
  if (options->inject == "disabled") {
    remark("left alone, as remora.dev/inject is \"disabled\"");
    return std::vector<Edit>();
  }
  auto edits = PlanInjection(workload, *options, source);
  if (edits) {
    const bool there = HasSidecar(workload);
    remark(edits->empty() ? "sidecar is up to date" : there ? "sidecar updated" : "sidecar added");
  }
  return edits;
}

// Nothing is written that does not read back as meant, whatever YAML the text is made of.
bool ReadsBack(const Parsed& before, std::string_view after_text, const std::string& file,
               const Request& request) {
  const Source source(after_text, file);
  const auto after = Parse(source, file);
  if (!after || !SameButForSidecar(before.documents, after->documents)) return false;
  std::vector<std::string> unused;
  return std::ranges::all_of(after->workloads, [&](const Workload& workload) {
    const auto more = Plan(workload, source, request, unused);
    return more && more->empty();
  });
}

}  // namespace

Reply<Changed> ChangeText(std::string_view text, const std::string& file, const Request& request) {
  if (!request.remove && request.cluster && *request.cluster < kNativeSidecars) {
    return TooOld(*request.cluster);
  }
  const std::string_view mark = text.starts_with(kByteOrderMark) ? kByteOrderMark : "";
  const Source source(text.substr(mark.size()), file);
  const auto parsed = Parse(source, file);
  if (!parsed) return std::unexpected(parsed.error());
  Changed changed;
  std::vector<Edit> edits;
  for (const Workload& workload : parsed->workloads) {
    auto some = Plan(workload, source, request, changed.remarks);
    if (!some) return std::unexpected(std::move(some.error()));
    std::ranges::move(*some, std::back_inserter(edits));
  }
  if (parsed->workloads.empty()) changed.remarks.emplace_back(kNoWorkload);
  changed.text = ApplyEdits(source.text(), edits);
  if (changed.text != source.text() && !ReadsBack(*parsed, changed.text, file, request)) {
    return Misplaced(file);
  }
  changed.text.insert(0, mark);
  return changed;
}

Reply<std::vector<Finding>> CheckText(std::string_view text, const std::string& file,
                                      const Request& request) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const Source source(text, file);
  const auto parsed = Parse(source, file);
  if (!parsed) return std::unexpected(parsed.error());
  std::vector<Finding> findings;
  for (const Workload& workload : parsed->workloads) {
    const auto options = ReadOptions(workload, request.flags, source);
    if (!options) return std::unexpected(options.error());
    if (options->inject == "disabled") continue;
    std::ranges::move(CheckWorkload(workload, *options, request.cluster, source),
                      std::back_inserter(findings));
  }
  return findings;
}

}  // namespace remora::cli::inject
