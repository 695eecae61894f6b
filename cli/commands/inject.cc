#include "cli/commands/inject.h"

#include <string_view>
#include <utility>
#include <vector>

#include "cli/inject/check.h"
#include "cli/inject/inject.h"
#include "cli/input.h"

namespace remora::cli {
namespace {

Outcome ShowFindings(const std::vector<inject::Finding>& findings, std::ostream& out) {
  for (const inject::Finding& finding : findings) {
    out << finding.place << ": " << finding.what << "\n  mend: " << finding.mend << '\n';
  }
  if (findings.empty()) return {};
  const bool one = findings.size() == 1;
  return std::unexpected(Failure{.message = std::to_string(findings.size()) +
                                            (one ? " thing stands" : " things stand") +
                                            " in the way of the sidecar"});
}

}  // namespace

Outcome Inject(const InjectOptions& options, const GlobalOptions& global, std::ostream& out,
               std::ostream& err) {
  const auto text = ReadInput(options.file);
  if (!text) return std::unexpected(text.error());
  const std::string file = NameOfInput(options.file);
  inject::Request request{.flags = options.flags, .remove = options.remove};
  if (!options.kubernetes.empty()) {
    request.cluster = inject::ParseKubernetesVersion(options.kubernetes);
  }
  if (options.check) {
    const auto findings = inject::CheckText(*text, file, request);
    if (!findings) return std::unexpected(findings.error());
    return ShowFindings(*findings, out);
  }
  const auto changed = inject::ChangeText(*text, file, request);
  if (!changed) return std::unexpected(changed.error());
  out << changed->text;
  if (global.quiet) return {};
  for (const std::string& remark : changed->remarks) err << remark << '\n';
  return {};
}

}  // namespace remora::cli
