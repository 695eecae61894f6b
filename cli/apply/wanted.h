// The file of `remoractl servers apply`: which servers there should be. Pure, but for ReadWanted.
//
//   servers:
//     - http://127.0.0.1:9001            # short for {url: ...}
//     - {id: b, url: 127.0.0.1:9002, weight: 2, max_active: 100, labels: {zone: a}, pool: default}
#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"
#include "remora/v1/control.pb.h"

namespace remora::cli {

struct WantedServer {
  std::string pool = "default";
  std::string id = {};  // empty: the server makes one from the url
  v1::ServerSpec spec = {};
  std::string where = {};  // "servers.yaml:3:5"
};

// All faults of the text at once, each as a violation of `file:line:column`, in one kUsage failure.
Reply<std::vector<WantedServer>> ParseWanted(const std::string& text, const std::string& file);

// Of the file with this name, or of the standard input for "-".
Reply<std::vector<WantedServer>> ReadWanted(const std::string& file);

}  // namespace remora::cli
