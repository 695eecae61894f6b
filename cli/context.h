// What every command works with: the client, the global options, the clock and the two streams.
//
// Threads: one. Lifetime: everything referred to outlives the command.
#pragma once

#include <chrono>
#include <ostream>
#include <string>

#include "cli/clock.h"
#include "cli/control_client.h"

namespace remora::cli {

enum class OutputFormat { kTable, kWide, kJson, kYaml, kName, kJsonl };

struct GlobalOptions {
  std::string server;  // the address that is called
  std::chrono::milliseconds timeout{5000};
  OutputFormat output = OutputFormat::kTable;
  bool no_headers = false;
  bool terminal = false;  // the output is a terminal
  bool colour = false;    // the same, and nobody asked for none
  bool quiet = false;
};

struct Context {
  ControlClient& client;
  const GlobalOptions& options;
  Clock& clock;
  std::ostream& out;  // data
  std::ostream& err;  // talk

  // A remark for people, not for programs.
  void Note(const std::string& text) const {
    if (!options.quiet) err << text << '\n';
  }
};

}  // namespace remora::cli
