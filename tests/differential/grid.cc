#include "tests/differential/grid.h"

#include <algorithm>
#include <iterator>
#include <thread>

namespace remora::differential {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSettle{50};

TargetRule RuleOf(const Proxy& proxy) {
  return proxy.is_remora() ? TargetRule::kExact : TargetRule::kNormalised;
}

bool RemoraLetThrough(const std::vector<Proxy>& proxies, const Case& one) {
  for (std::size_t i = 0; i < proxies.size(); ++i) {
    if (proxies[i].is_remora() && one.verdicts[i].kind == Kind::kLetThrough) return true;
  }
  return false;
}

}  // namespace

Grid::Grid(std::size_t lanes) : lanes_(lanes) {
  for (const std::string_view name : {std::string_view("nginx"), std::string_view("haproxy"),
                                      std::string_view("apache"), kRemora}) {
    Proxy& proxy = proxies_.emplace_back();
    proxy.name = name;
    for (std::size_t i = 0; i < lanes; ++i) proxy.lanes.push_back(std::make_unique<Route>());
  }
}

void Grid::Begin() {
  std::erase_if(proxies_, [](const Proxy& proxy) { return !proxy.takes_part(); });
}

void Grid::PlayLane(std::size_t proxy, std::size_t lane, std::vector<Case>& cases) {
  Route& route = *proxies_[proxy].lanes[lane];
  for (std::size_t i = lane; i < cases.size(); i += lanes_) {
    Case& one = cases[i];
    one.verdicts[proxy] =
        Judge(one.reading, route.Send(one.mutant, one.reading), RuleOf(proxies_[proxy]));
  }
}

std::vector<Case> Grid::Play(const Mutator& mutator, std::uint64_t count) {
  std::vector<Case> cases(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    cases[i].mutant = mutator.Make(i);
    cases[i].reading = Read(cases[i].mutant.bytes);
    cases[i].verdicts.resize(proxies_.size());
  }
  std::vector<std::thread> threads;
  for (std::size_t proxy = 0; proxy < proxies_.size(); ++proxy) {
    for (std::size_t lane = 0; lane < lanes_; ++lane) {
      threads.emplace_back([this, proxy, lane, &cases] { PlayLane(proxy, lane, cases); });
    }
  }
  for (std::thread& thread : threads) thread.join();
  Confirm(cases);
  return cases;
}

Case Grid::PlayAlone(const Mutant& mutant) {
  Case one{.mutant = mutant, .reading = Read(mutant.bytes), .verdicts = {}};
  for (Proxy& proxy : proxies_) {
    Route& route = *proxy.lanes[mutant.number % lanes_];
    route.Settle(kSettle);
    differential::Play play = route.Send(mutant, one.reading);
    auto late = route.Settle(kSettle);
    std::move(late.begin(), late.end(), std::back_inserter(play.arrived));
    one.verdicts.push_back(Judge(one.reading, play, RuleOf(proxy)));
  }
  return one;
}

void Grid::Confirm(std::vector<Case>& cases) {
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (!RemoraLetThrough(proxies_, cases[i])) continue;
    // What came late is laid to the mutant that was played next on the lane.
    if (i >= lanes_ && cases[i - lanes_].repeated == Case::Repeated::kNo) {
      Case before = PlayAlone(cases[i - lanes_].mutant);
      before.repeated = Case::Repeated::kTheSame;
      if (RemoraLetThrough(proxies_, before)) cases[i - lanes_] = std::move(before);
    }
    Case again = PlayAlone(cases[i].mutant);
    if (RemoraLetThrough(proxies_, again)) {
      cases[i] = std::move(again);
      cases[i].repeated = Case::Repeated::kTheSame;
    } else {
      cases[i].repeated = Case::Repeated::kOnlyOnce;
    }
  }
}

}  // namespace remora::differential
