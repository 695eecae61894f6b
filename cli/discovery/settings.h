// What the options of `remoractl discover` mean. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "cli/discovery/discover.h"
#include "cli/failure.h"

namespace remora::cli::discovery {

struct ServiceName {
  std::string name_space;
  std::string name;
  std::string port = {};  // name or number; empty: the only one

  friend bool operator==(const ServiceName&, const ServiceName&) = default;
};

struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// The errors say how to write it.
std::expected<ServiceName, std::string> ParseService(std::string_view text);  // NS/NAME[:PORT]
std::expected<HostPort, std::string> ParseHostPort(std::string_view text);    // NAME:PORT

// kUsage where options contradict each other, or one has a value that nothing can be done with.
Outcome CheckOptions(const DiscoverOptions& options);

// The name that the servers' owner has: `name`, else the pool, the first service, the source.
std::string NameOf(const DiscoverOptions& options);

}  // namespace remora::cli::discovery
