// remora_differential: plays mutated requests through Remora and through other proxies, each in
// front of strict backends of this program, and says where they differ. Started by
// tests/differential/run, with which it agrees on ports:
//   it writes  `backend NAME PORT...`           for each proxy, one port a lane, then `backends`
//   it reads   `proxy NAME VERSION PORT...`     for each proxy that is there, then `play`
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "tests/differential/grid.h"
#include "tests/differential/mutator.h"
#include "tests/differential/report.h"
#include "tests/differential/seeds.h"

namespace remora::differential {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

using Options = std::map<std::string, std::string, std::less<>>;

std::uint64_t Number(const Options& options, std::string_view name, std::uint64_t otherwise) {
  const auto found = options.find(name);
  if (found == options.end()) return otherwise;
  std::uint64_t value = 0;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

std::string Text(const Options& options, std::string_view name) {
  const auto found = options.find(name);
  return found == options.end() ? std::string() : found->second;
}

void TellBackends(Grid& grid) {
  for (const Proxy& proxy : grid.proxies()) {
    std::cout << "backend " << proxy.name;
    for (const auto& route : proxy.lanes) std::cout << ' ' << route->backend_port();
    std::cout << '\n';
  }
  std::cout << "backends" << std::endl;
}

bool ReadProxy(std::istream& line, Grid& grid) {
  std::string name;
  std::string version;
  line >> name >> version;
  for (Proxy& proxy : grid.proxies()) {
    if (proxy.name != name) continue;
    for (const auto& route : proxy.lanes) {
      std::uint16_t port = 0;
      if (!(line >> port)) return false;
      route->set_proxy_port(port);
    }
    proxy.version = version;
    return true;
  }
  return false;
}

// True when Remora is among the proxies and it is time to play.
bool ReadProxies(Grid& grid) {
  std::string text;
  while (std::getline(std::cin, text)) {
    std::istringstream line(text);
    std::string word;
    line >> word;
    if (word == "play") {
      grid.Begin();
      return !grid.proxies().empty() && grid.proxies().back().is_remora();
    }
    if (word != "proxy" || !ReadProxy(line, grid)) break;
  }
  std::cerr << "not a list of proxies with Remora in it: " << text << '\n';
  return false;
}

// For looking into a finding: these bytes, with the end at once and later.
int PlayBytes(Grid& grid, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  for (const bool half_close : {true, false}) {
    const Case one =
        grid.PlayAlone({.number = 0, .bytes = bytes, .cut = 0, .half_close = half_close});
    std::cout << Describe(grid.proxies(), one);
  }
  return 0;
}

int PlayMutants(Grid& grid, const Options& options) {
  std::vector<std::string> seeds = OwnSeeds();
  if (const std::string path = Text(options, "cases"); !path.empty()) {
    auto more = SeedsFromCases(path);
    if (!more) return kExitUsage;
    std::move(more->begin(), more->end(), std::back_inserter(seeds));
  }
  const std::uint64_t seed = Number(options, "seed", 1);
  const std::uint64_t count = Number(options, "count", 20'000);
  std::printf("%llu mutants of %zu requests, seed %llu\n", static_cast<unsigned long long>(count),
              seeds.size(), static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  const Mutator mutator(std::move(seeds), seed);
  const std::vector<Case> cases = grid.Play(mutator, count);
  const Report report(grid.proxies(), cases);
  report.Print();
  if (const std::string path = Text(options, "json"); !path.empty()) {
    if (!report.Write(path, seed)) return kExitUsage;
  }
  return report.failed() == 0 ? 0 : kExitFailed;
}

int Main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    options[std::string(name.substr(std::min<std::size_t>(2, name.size())))] = argv[i + 1];
  }
  const std::uint64_t lanes = Number(options, "lanes", 8);
  if (argc % 2 == 0 || lanes == 0) {
    std::cerr << "usage: remora_differential [--lanes N] [--count N] [--seed N] [--cases FILE] "
                 "[--json FILE] [--bytes FILE]\n";
    return kExitUsage;
  }
  Grid grid(lanes);
  TellBackends(grid);
  if (!ReadProxies(grid)) return kExitUsage;
  const std::string bytes = Text(options, "bytes");
  return bytes.empty() ? PlayMutants(grid, options) : PlayBytes(grid, bytes);
}

}  // namespace
}  // namespace remora::differential

int main(int argc, char** argv) { return remora::differential::Main(argc, argv); }
