#include "cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/inject/options.h"

namespace remora::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;

class CompletionTest : public testing::Test {
 protected:
  CompletionTest() { DefineCommands(app_, arguments_); }

  std::vector<std::string> For(const std::vector<std::string>& words) {
    return Complete(app_, words,
                    {.servers = [this] { return ++asked_, std::vector<std::string>{"b-1", "a-1"}; },
                     .pools = [] { return std::vector<std::string>{"default", "other"}; }});
  }

  CLI::App app_{"", "remoractl"};
  Arguments arguments_;
  int asked_ = 0;
};

TEST_F(CompletionTest, CommandsComeFirst) {
  EXPECT_THAT(For({""}), ElementsAre("completion", "config", "discover", "exec", "health",
                                     "healthcheck", "inject", "prestop", "servers", "shutdown",
                                     "status", "top", "version", "wait"));
  EXPECT_THAT(For({"s"}), ElementsAre("servers", "shutdown", "status"));
  EXPECT_THAT(For({"servers", "re"}), ElementsAre("remove"));
  EXPECT_THAT(For({}), Contains("servers"));
  EXPECT_EQ(asked_, 0) << "nobody is called for what is known here";
}

TEST_F(CompletionTest, IdsAreAskedWhereAServerIsMeant) {
  for (const char* command : {"get", "remove", "drain", "undrain"}) {
    EXPECT_THAT(For({"servers", command, ""}), ElementsAre("a-1", "b-1"));
    EXPECT_THAT(For({"servers", command, "b"}), ElementsAre("b-1"));
    EXPECT_THAT(For({"servers", command, "a-1", ""}), IsEmpty()) << "one is enough";
  }
  EXPECT_THAT(For({"-o", "json", "servers", "get", "--pool", "x", ""}), ElementsAre("a-1", "b-1"));
  EXPECT_THAT(For({"servers", "add", ""}), IsEmpty());
}

TEST_F(CompletionTest, OptionsAndTheirValues) {
  EXPECT_THAT(For({"servers", "drain", "--"}),
              IsSupersetOf({"--drain-timeout", "--pool", "--wait", "--output", "--server"}));
  EXPECT_THAT(For({"servers", "drain", "--dr"}), ElementsAre("--drain-timeout"));
  EXPECT_THAT(For({"servers", "list", "-o", "j"}), ElementsAre("json", "jsonl"));
  EXPECT_THAT(For({"servers", "list", "--pool", ""}), ElementsAre("default", "other"));
  EXPECT_THAT(For({"completion", ""}), ElementsAre("bash", "fish", "zsh"));
  EXPECT_THAT(For({"inject", "--direction", "i"}), ElementsAre("inbound"));
  EXPECT_THAT(For({"inject", "--cpu"}), ElementsAre("--cpu-limit", "--cpu-request"));
  EXPECT_THAT(For({"servers", "list", "--timeout", ""}), IsEmpty());
  EXPECT_THAT(For({"servers", "nonsense", ""}), Contains("list"));
}

TEST_F(CompletionTest, InjectHasAFlagForEachAnnotationButItsOwn) {
  const std::vector<std::string> flags = For({"inject", "--"});
  for (const inject::OptionRule& rule : inject::OptionRules()) {
    if (rule.name == "inject") continue;
    EXPECT_THAT(flags, Contains("--" + std::string(rule.name)));
  }
}

TEST_F(CompletionTest, TheServerOfAHalfWrittenLineIsFound) {
  EXPECT_EQ(ValueOf("--server", {"--server", "a:1", "servers"}), "a:1");
  EXPECT_EQ(ValueOf("--server", {"servers", "--server=a:1"}), "a:1");
  EXPECT_EQ(ValueOf("--server", {"servers", "--server"}), std::nullopt);
}

// ---- help ---------------------------------------------------------------------------------------

void ForEachCommand(const CLI::App& app, const std::function<void(const CLI::App&)>& visit) {
  visit(app);
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    ForEachCommand(*command, visit);
  }
}

TEST_F(CompletionTest, EachHelpFitsAScreen) {
  ForEachCommand(app_, [](const CLI::App& command) {
    std::istringstream lines(HelpText(command));
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      EXPECT_LE(line.size(), 100U) << command.get_name() << ": " << line;
    }
    EXPECT_LE(count, 24) << HelpText(command);
  });
}

TEST_F(CompletionTest, EachHelpHasAnExampleAndEveryOption) {
  ForEachCommand(app_, [](const CLI::App& command) {
    const std::string help = HelpText(command);
    if (command.get_name() != "servers") {
      EXPECT_THAT(help, HasSubstr("Examples:\n  ")) << command.get_name();
    }
    for (const CLI::Option* option : command.get_options([](const CLI::Option*) { return true; })) {
      if (option->get_group().empty()) continue;  // hidden
      for (const std::string& name : option->get_lnames()) {
        if (name == "help" && command.get_parent() != nullptr) continue;
        EXPECT_THAT(help, HasSubstr("--" + name));
      }
    }
  });
}

}  // namespace
}  // namespace remora::cli
