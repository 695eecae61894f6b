#include "cli/completion.h"

#include <algorithm>
#include <ranges>

namespace remora::cli {
namespace {

// `compgen` is not used: the answer is already what fits.
constexpr const char* kBash = R"(# bash: source <(remoractl completion bash)
_remoractl() {
  local IFS=$'\n' word
  COMPREPLY=()
  while read -r word; do
    COMPREPLY+=("$word")
  done < <(remoractl __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
# Without ':' as a break between words, as addresses have one.
COMP_WORDBREAKS=${COMP_WORDBREAKS//:/}
complete -o default -F _remoractl remoractl
)";

constexpr const char* kZsh = R"(#compdef remoractl
# zsh: source <(remoractl completion zsh)
_remoractl() {
  local -a found
  found=("${(@f)$(remoractl __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then
    compadd -- $found
  else
    _files
  fi
}
compdef _remoractl remoractl
)";

constexpr const char* kFish = R"(# fish: remoractl completion fish | source
function __remoractl_complete
  set -l words (commandline -opc) (commandline -ct)
  remoractl __complete $words[2..-1] 2>/dev/null
end
complete -c remoractl -f -a '(__remoractl_complete)'
complete -c remoractl -n '__fish_seen_argument -s f -l file' -F
)";

const CLI::App* FindCommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

// Also one of the commands above it: global options may stand anywhere.
const CLI::Option* FindOption(const CLI::App& app, const std::string& word) {
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent()) {
    for (const CLI::Option* option : level->get_options([](const CLI::Option*) { return true; })) {
      if (!option->get_positional() && option->check_name(word)) return option;
    }
  }
  return nullptr;
}

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// What may be the value of an option or an argument: "table|json" says it itself.
std::vector<std::string> ValuesOf(const CLI::Option& option, const LiveNames& live) {
  const std::string type = option.get_type_name();
  if (type == "ID_OR_URL") return live.servers();
  if (option.check_lname("pool")) return live.pools();
  std::vector<std::string> values;
  if (!type.contains('|')) return values;
  for (const auto part : std::views::split(type, '|')) {
    values.emplace_back(std::string_view(part));
  }
  return values;
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent()) {
    for (const CLI::Option* option : level->get_options([](const CLI::Option*) { return true; })) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

// The command and the arguments that the words before the last one name.
struct Position {
  const CLI::App* command;
  const CLI::Option* waiting = nullptr;  // an option whose value comes next
  std::size_t arguments = 0;
};

Position Walk(const CLI::App& app, const std::vector<std::string>& words) {
  Position position{.command = &app};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (position.waiting != nullptr) {
      position.waiting = nullptr;
    } else if (word.starts_with('-') && word.size() > 1) {
      const CLI::Option* option =
          word.contains('=') ? nullptr : FindOption(*position.command, word);
      if (option != nullptr && TakesValue(*option)) position.waiting = option;
    } else if (const CLI::App* command = FindCommand(*position.command, word)) {
      position.command = command;
    } else {
      ++position.arguments;
    }
  }
  return position;
}

std::vector<std::string> Candidates(const Position& position, const std::string& word,
                                    const LiveNames& live) {
  if (position.waiting != nullptr) return ValuesOf(*position.waiting, live);
  if (word.starts_with('-')) return OptionNames(*position.command);
  std::vector<std::string> names;
  for (const CLI::App* command :
       position.command->get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  std::size_t number = 0;
  for (const CLI::Option* option :
       position.command->get_options([](const CLI::Option*) { return true; })) {
    if (option->get_positional() && number++ == position.arguments) return ValuesOf(*option, live);
  }
  return names;
}

}  // namespace

std::optional<std::string> CompletionScript(std::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return std::nullopt;
}

std::vector<std::string> Complete(const CLI::App& app, const std::vector<std::string>& words,
                                  const LiveNames& live) {
  const std::string word = words.empty() ? "" : words.back();
  std::vector<std::string> candidates = Candidates(Walk(app, words), word, live);
  std::erase_if(candidates, [&](const std::string& one) { return !one.starts_with(word); });
  std::ranges::sort(candidates);
  const auto twins = std::ranges::unique(candidates);
  candidates.erase(twins.begin(), twins.end());
  return candidates;
}

std::optional<std::string> ValueOf(std::string_view option, const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == option && i + 1 < words.size()) return words[i + 1];
    if (words[i].starts_with(std::string(option) + "=")) return words[i].substr(option.size() + 1);
  }
  return std::nullopt;
}

}  // namespace remora::cli
