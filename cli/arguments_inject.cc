#include <string>

#include "cli/arguments.h"
#include "cli/inject/check.h"
#include "cli/inject/options.h"

namespace remora::cli {
namespace {

constexpr const char* kFooter =
    R"(For Deployments, StatefulSets, DaemonSets, Jobs, CronJobs and Pods, also within a List; the rest of
the file stays as it is. Again on its own output it changes nothing. Annotations of the pod
template, remora.dev/direction and so on, say the same for good; remora.dev/inject: "disabled" keeps
it out. Flags win over annotations.
Examples:
  remoractl inject -f web.yaml --config web-remora > web-injected.yaml
  remoractl inject -f web.yaml --discover shop/api:http --check
)";

std::string CheckKubernetes(const std::string& text) {
  return inject::ParseKubernetesVersion(text)
             ? std::string()
             : "'" + text + "' is not a version of Kubernetes: write for example 1.33";
}

struct FlagText {
  const char* name;
  const char* type;
  const char* help;
};

// Each is a rule of inject::OptionRules.
constexpr FlagText kFlags[] = {
    {"direction", "outbound|inbound", "The traffic that the sidecar takes [outbound]"},
    {"config", "NAME", "ConfigMap with config.yaml for remorad"},
    {"image", "IMAGE", "Image of the sidecar"},
    {"discover", "[NAMESPACE/]SERVICE[:PORT]", "Follow the endpoints of a Service"},
    {"cpu-request", "QUANTITY", "What the sidecar asks for, or none"},
    {"cpu-limit", "QUANTITY", "The most that it gets, or none"},
    {"memory-request", "QUANTITY", "What the sidecar asks for, or none"},
    {"memory-limit", "QUANTITY", "The most that it gets, or none"},
};

}  // namespace

void DefineInject(CLI::App& app, Arguments& to) {
  CLI::App* command = app.add_subcommand("inject", "Adds the sidecar to workloads of Kubernetes");
  command->group(kGroupOfPods);
  command->footer(kFooter);
  command->add_option("-f,--file", to.inject.file, "YAML or JSON to read; - for stdin")
      ->required()
      ->type_name("FILE");
  CLI::Option* check =
      command->add_flag("--check", to.inject.check, "Say what is in its way, and how to mend it");
  command->add_flag("--remove", to.inject.remove, "Take it out again")->excludes(check);
  command
      ->add_option("--kubernetes", to.inject.kubernetes, "Version of the cluster [1.29 or newer]")
      ->check(CheckKubernetes)
      ->type_name("VERSION");
  for (const FlagText& flag : kFlags) {
    for (const inject::OptionRule& rule : inject::OptionRules()) {
      if (rule.name != flag.name) continue;
      command->add_option("--" + std::string(flag.name), to.inject.flags.*rule.field, flag.help)
          ->check(CLI::Validator(rule.check, ""))
          ->type_name(flag.type);
    }
  }
  command->callback([&to] {
    to.local = Arguments::Local::kInject;
    to.formats = {OutputFormat::kTable};
  });
}

}  // namespace remora::cli
