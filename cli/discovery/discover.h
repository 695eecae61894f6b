// `remoractl discover`: keeps the servers of a sidecar as Kubernetes, DNS or a file say.
//
// Threads: that of the caller, which it keeps until SIGTERM or SIGINT, and one for the calls.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/failure.h"

namespace remora::cli {

struct DiscoverOptions {
  std::string name = {};    // empty: the pool, the first service, or the kind of the source
  std::string source = {};  // "kubernetes", "dns" or "file"
  std::vector<std::string> services = {};  // NS/NAME[:PORT]
  std::vector<std::string> hosts = {};     // NAME:PORT
  std::vector<std::string> records = {};   // _http._tcp.example
  std::string file = {};
  std::string pool = {};  // empty: "default"
  std::string scheme = "http";
  std::string path_prefix = {};
  std::string zone = {};
  bool prefer_zone = false;
  std::string dns_server = {};           // ip:port; empty: those of resolv.conf
  std::string admin = "127.0.0.1:3003";  // "none": no port
  std::optional<std::chrono::milliseconds> drain_timeout = {};  // unset: the sidecar's default
  std::chrono::milliseconds resync{std::chrono::minutes(5)};
  std::chrono::milliseconds hold{30'000};
  std::chrono::milliseconds poll{5000};
  bool once = false;
  bool dry_run = false;
};

Outcome Discover(const DiscoverOptions& options, const Context& context);

}  // namespace remora::cli
