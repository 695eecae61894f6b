// What discovery tells of itself on its admin port: metrics in the text format of Prometheus, and
// whether it is ready. Pure.
//
// Threads: values only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/discovery/reconciler.h"

namespace remora::cli::discovery {

struct SourceNumbers {
  std::string name;  // "default/web"
  bool known = false;
  bool up = false;
  std::string cause = {};  // why it is not up
  std::size_t endpoints = 0;
  std::uint64_t failures = 0;
  std::uint64_t relists = 0;
};

struct Numbers {
  std::string name;
  std::vector<SourceNumbers> sources = {};
  Reconciler::Status status = {};
  std::string sidecar_cause = {};  // why it is not up
  std::uint64_t syncs = 0;
  std::uint64_t failed_calls = 0;
  std::uint64_t added = 0;
  std::uint64_t changed = 0;
  std::uint64_t removed = 0;
  double last_sync_s = 0;  // since 1970: when the sidecar last had what it is to have; 0: never
};

std::string MetricsText(const Numbers& numbers);

// Ready once the sidecar had what all sources say, and from then on: a source or a sidecar that
// goes away later is no reason to take the pod out of its Service, as what was found stays.
bool IsReady(const Numbers& numbers);
// A line for each part, and the sum of them, as /readyz?verbose of remorad has it.
std::string ReadyText(const Numbers& numbers);

}  // namespace remora::cli::discovery
