#include "cli/help.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace remora::cli {
namespace {

using Line = std::pair<std::string, std::string>;

// What CLI11 calls the group of a subcommand that was put into none.
constexpr std::string_view kNoGroup = "Subcommands";

// "remoractl servers add"
std::string FullName(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : FullName(*parent) + " " + app.get_name();
}

bool IsPositional(const CLI::Option& option) { return option.get_positional(); }

std::string UsageLine(const CLI::App& app, const std::vector<const CLI::Option*>& options) {
  std::string usage = "Usage: " + FullName(app);
  std::string last;  // behind `--`, where nothing is an option of ours any more
  for (const CLI::Option* option : options) {
    if (!IsPositional(*option)) continue;
    const std::string name = option->get_type_name();
    (name.starts_with("--") ? last : usage) += " " + name;
  }
  if (!app.get_subcommands([](const CLI::App*) { return true; }).empty()) usage += " COMMAND";
  return usage + " [OPTIONS]" + last + "\n";
}

std::string OptionName(const CLI::Option& option) {
  if (IsPositional(option)) return option.get_type_name();
  std::string name;
  for (const std::string& one : option.get_snames()) name += (name.empty() ? "-" : ",-") + one;
  for (const std::string& one : option.get_lnames()) name += (name.empty() ? "--" : ",--") + one;
  if (option.get_items_expected_max() > 0) name += " " + option.get_type_name();
  return name;
}

std::string Lines(const std::string& title, const std::vector<Line>& lines) {
  if (lines.empty()) return {};
  std::size_t width = 0;
  for (const auto& [name, text] : lines) width = std::max(width, name.size());
  std::string text = title + "\n";
  for (const auto& [name, description] : lines) {
    text += "  " + name + std::string(width - name.size() + 2, ' ') + description + "\n";
  }
  return text;
}

// Longer than what stands before them, so not in its columns.
std::string GroupLines(const std::vector<Line>& groups) {
  std::string text;
  for (const auto& [names, group] : groups) text += "  " + names + "  (" + group + ")\n";
  return text;
}

}  // namespace

std::string HelpText(const CLI::App& app) {
  const std::vector<const CLI::Option*> options =
      app.get_options([](const CLI::Option*) { return true; });
  std::vector<Line> option_lines;
  for (const CLI::Option* option : options) {
    // Each command has it; only the first page says so.
    if (option->check_lname("help") && app.get_parent() != nullptr) continue;
    if (option->get_group().empty()) continue;  // hidden: for tests
    std::string text = option->get_description();
    if (const std::string preset = option->get_default_str(); !preset.empty()) {
      text += " [" + preset + "]";
    }
    option_lines.emplace_back(OptionName(*option), std::move(text));
  }
  std::vector<Line> command_lines;
  std::vector<Line> groups;  // several commands on a line each
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group() == kNoGroup) {
      command_lines.emplace_back(command->get_name(), command->get_description());
      continue;
    }
    const auto group = std::ranges::find(groups, command->get_group(), &Line::second);
    if (group == groups.end()) {
      groups.emplace_back(command->get_name(), command->get_group());
    } else {
      group->first += ", " + command->get_name();
    }
  }
  return app.get_description() + "\n" + UsageLine(app, options) +
         Lines("Commands:", command_lines) + GroupLines(groups) + Lines("Options:", option_lines) +
         app.get_footer();
}

}  // namespace remora::cli
