// Runs the request path so many times, for tests/bench/instructions to count what that takes.
//   usage: remora_bench_path SCENARIO COUNT
//          remora_bench_path --scenarios | --toolchain
#include <gnu/libc-version.h>

#include <array>
#include <boost/version.hpp>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/bench/micro/request_path.h"

namespace remora::bench {
namespace {

struct Scenario {
  std::string_view name;
  RequestPath::Options options;
};

constexpr std::array kScenarios = {
    Scenario{"9-fields", {}},
    Scenario{"9-fields-logged", {.access_log = true}},
    Scenario{"33-fields", {.request_fields = 33, .response_fields = 33}},
    Scenario{"1000-backends", {.backends = 1000}},
};

// What decides how many instructions the same sources become.
int PrintToolchain() {
  std::printf("clang %d.%d libstdc++ %d glibc %s Boost %s %s\n", __clang_major__, __clang_minor__,
              _GLIBCXX_RELEASE, gnu_get_libc_version(), BOOST_LIB_VERSION,
#if defined(__x86_64__)
              "x86-64"
#elif defined(__aarch64__)
              "arm64"
#else
              "other"
#endif
  );
  return 0;
}

int Main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--toolchain") return PrintToolchain();
  if (argc == 2 && std::string_view(argv[1]) == "--scenarios") {
    for (const Scenario& scenario : kScenarios) std::puts(scenario.name.data());
    return 0;
  }
  for (const Scenario& scenario : kScenarios) {
    if (argc != 3 || scenario.name != argv[1]) continue;
    RequestPath path(scenario.options);
    for (int left = std::atoi(argv[2]); left > 0; --left) path.Run();
    return 0;
  }
  std::fprintf(stderr, "usage: remora_bench_path SCENARIO COUNT | --scenarios | --toolchain\n");
  return 2;
}

}  // namespace
}  // namespace remora::bench

int main(int argc, char** argv) { return remora::bench::Main(argc, argv); }
