// The proxies with their lanes, and what they did with the mutants.
//
// Each lane of each proxy is played by a thread of its own. Threads: one at a time. Everything ends
// with the Grid.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/mutator.h"
#include "tests/differential/reading.h"
#include "tests/differential/route.h"
#include "tests/differential/verdict.h"

namespace remora::differential {

inline constexpr std::string_view kRemora = "remora";

struct Proxy {
  std::string name;
  std::string version;  // empty: it does not take part
  std::vector<std::unique_ptr<Route>> lanes;

  bool takes_part() const { return !version.empty(); }
  bool is_remora() const { return name == kRemora; }
};

// One mutant and what became of it.
struct Case {
  Mutant mutant;
  Reading reading;
  std::vector<Verdict> verdicts;  // of the proxies that take part, in their order
  // What Remora let through is played again, alone.
  enum class Repeated { kNo, kTheSame, kOnlyOnce } repeated = Repeated::kNo;
};

class Grid {
 public:
  // Starts the backends.
  explicit Grid(std::size_t lanes);

  std::vector<Proxy>& proxies() { return proxies_; }
  // Call when all proxies are known: leaves out those that take no part.
  void Begin();

  std::vector<Case> Play(const Mutator& mutator, std::uint64_t count);
  // With a wait for what comes late, on the lane's connections to the backend as they are.
  Case PlayAlone(const Mutant& mutant);

 private:
  void PlayLane(std::size_t proxy, std::size_t lane, std::vector<Case>& cases);
  // Repeats each case in which Remora let something through.
  void Confirm(std::vector<Case>& cases);

  std::size_t lanes_;
  std::vector<Proxy> proxies_;
};

}  // namespace remora::differential
