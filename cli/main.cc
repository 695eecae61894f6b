#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/app.h"

namespace {

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

bool OnTerminal() {
  return ::isatty(STDOUT_FILENO) != 0 && IsSet("TERM") &&
         std::string_view(std::getenv("TERM")) != "dumb";
}

std::vector<std::string> EnvironmentOfThisProcess() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  return variables;
}

}  // namespace

int main(int argc, char** argv) {
  // For the child of `exec`: as it is, without what is set below.
  const std::vector<std::string> environment = EnvironmentOfThisProcess();
  // gRPC writes its own lines to stderr when a connect fails; ours say it better. Whoever debugs
  // gRPC sets the variable.
  ::setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  remora::cli::Clock clock;
  const auto exit = remora::cli::RunCommandLine(
      std::vector<std::string>(argv + 1, argv + argc),
      {.environment = remora::cli::Environment::OfThisProcess(),
       .connect = remora::cli::Connect,
       .clock = clock,
       .out = std::cout,
       .err = std::cerr,
       .terminal = OnTerminal(),
       .no_colour = IsSet("NO_COLOR"),
       .processes = [&environment] {
         return std::make_unique<remora::cli::SystemProcesses>(environment);
       }});
  std::cout.flush();
  // A full disk or a closed pipe must not look like success.
  if (!std::cout && exit == remora::cli::ExitCode::kOk) return EXIT_FAILURE;
  return static_cast<int>(exit);
}
