// The program of the container image: remorad and remoractl in one file, each under its own name.
// Most of both is the same libraries, so the image is two thirds as big, and what runs in a pod
// shares its pages.
#include <string_view>

#include "server/daemon.h"

// The main() of cli/main.cc, which the build renames.
int RemoractlMain(int argc, char** argv);

int main(int argc, char** argv) {
  const std::string_view called = argc > 0 ? argv[0] : "";
  const std::string_view name = called.substr(called.rfind('/') + 1);  // npos + 1 is 0
  return name == "remoractl" ? RemoractlMain(argc, argv) : remora::server::Main(argc, argv);
}
