#include <unistd.h>

#include <cstdlib>
#include <iostream>
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

}  // namespace

int main(int argc, char** argv) {
  // gRPC writes its own lines to stderr when a connect fails; ours say it better. Whoever debugs
  // gRPC sets the variable.
  ::setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  remora::cli::Clock clock;
  const auto exit =
      remora::cli::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc),
                                  {.environment = remora::cli::Environment::OfThisProcess(),
                                   .connect = remora::cli::Connect,
                                   .clock = clock,
                                   .out = std::cout,
                                   .err = std::cerr,
                                   .terminal = OnTerminal(),
                                   .no_colour = IsSet("NO_COLOR")});
  std::cout.flush();
  // A full disk or a closed pipe must not look like success.
  if (!std::cout && exit == remora::cli::ExitCode::kOk) return EXIT_FAILURE;
  return static_cast<int>(exit);
}
