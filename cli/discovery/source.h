// Where servers are found: one Service, one name in DNS, one file.
//
// Threads: the loop's only. Lifetime: the loop outlives it, and it outlives what it started there;
// after Stop that ends by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "cli/discovery/endpoints.h"

namespace remora::cli::discovery {

// How a source reports. `away` says why it can't tell now: what it has found before stays.
struct SourceReport {
  std::function<void(ServerSet servers)> found;
  std::function<void(const std::string& cause)> away;
};

class Source {
 public:
  virtual ~Source() = default;

  virtual void Start() = 0;
  virtual void Stop() = 0;
  // How often it read everything anew because it had lost track.
  virtual std::uint64_t relists() const { return 0; }
};

}  // namespace remora::cli::discovery
