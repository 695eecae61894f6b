// Completion in the shell: short scripts that ask `remoractl __complete WORDS...` for what may
// stand in place of the last word, and the answer to that.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace remora::cli {

// The script for bash, zsh or fish; nullopt for another shell.
std::optional<std::string> CompletionScript(std::string_view shell);

// What only the sidecar knows. Where it does not answer in time there is nothing to offer.
struct LiveNames {
  std::function<std::vector<std::string>()> servers;  // ids
  std::function<std::vector<std::string>()> pools;
};

// What may stand in place of the last of `words` (which may be empty), given those before it; all
// begin with it, sorted. Pure but for `live`.
std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words,
                                  const LiveNames& live);

// The value of `option` among words that may be half a command line.
std::optional<std::string> ValueOf(std::string_view option, const std::vector<std::string>& words);

}  // namespace remora::cli
