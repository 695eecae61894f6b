// One workload written in many combinations of habits: what is injected and taken out again must
// be the text from before. And damaged files: whatever they are, they are refused or stay sound.
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inject/inject.h"

namespace remora::cli::inject {
namespace {

struct Form {
  std::size_t step = 2;
  std::size_t list_indent = 0;
  std::string last;         // the last key of the pod spec, as lines
  int init = 0;             // 0: none, 1: a list, 2: a list below a comment, 3: in brackets
  int volumes = 0;          // the same
  bool spec_first = false;  // other keys of the template come behind the pod spec
  bool line_break = true;   // at the end
  bool windows = false;
};

std::string Replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// `list` as lines below a key at `column`.
std::string ListOf(const Form& form, std::size_t column, const std::string& key, int how,
                   const std::string& name) {
  const std::string pad(column, ' ');
  const std::string dash(column + form.list_indent, ' ');
  const std::string item = dash + "- name: " + name + "\n" + dash + "  image: a:1 # it\n";
  if (how == 0) return "";
  if (how == 1) return pad + key + ":\n" + item;
  if (how == 2) return pad + key + ": # those\n" + dash + "# the first\n" + item;
  return pad + key + ": [ {name: " + name + ", image: \"a:1\"} ] # those\n";
}

std::string TextOf(const Form& form) {
  const std::string one(form.step, ' ');
  const std::size_t column = 3 * form.step;
  std::string spec = one + one + "spec:\n";
  spec += ListOf(form, column, "volumes", form.volumes, "data");
  spec += ListOf(form, column, "initContainers", form.init, "first");
  spec += std::string(column, ' ') + "# about the containers\n";
  spec += ListOf(form, column, "containers", 1, "web");
  spec += Replaced(form.last, "@", std::string(column, ' '));
  const std::string metadata = one + one + "metadata: {labels: {a: b}}\n";
  std::string text = "kind: Deployment\napiVersion: apps/v1\nspec:\n" + one + "template:\n" +
                     (form.spec_first ? spec + metadata : metadata + spec);
  if (!form.line_break) text.pop_back();
  return form.windows ? Replaced(std::move(text), "\n", "\r\n") : text;
}

std::vector<Form> SomeForms() {
  const std::vector<std::string> lasts = {
      "",
      "@restartPolicy: Always # yes\n",
      "@hostname: \"a # 'b'\n\n@  c\"\n",
      "@hostname: 'it''s\n@  two lines'\n",
      "@hostname: plain\n@  goes on\n",
      "@nodeSelector: {a: \"}\", b: c} # }\n",
      "@nodeSelector:\n@ a: |\n@   # no comment\n\n@   text\n\n",
      "@nodeSelector:\n@ a: >-\n@  text\n@ # a comment\n",
      "@nodeSelector:\n@ a: |+\n@   kept\n\n",
      "@tolerations:\n@-\n@  key: a\n@  # what follows\n\n# far left\n",
      "@hostname:\n",
      "@hostname: ~\n",
      "@tolerations: []\n",
      "@affinity: {}\n\n",
      "@hostname: !!str 12\n@subdomain: &name x\n@schedulerName: *name\n",
      "@nodeSelector: {\n@  a: b,   # one\n@  c: d,\n@}\n",
  };
  // Every combination takes minutes; this stride meets each pair of habits.
  constexpr std::size_t kCombinations = 512;
  constexpr std::size_t kStride = 29;
  std::vector<Form> forms;
  for (std::size_t i = 0; i < lasts.size() * kCombinations; i += kStride) {
    const std::size_t bits = i % kCombinations;
    forms.push_back({.step = (bits & 1) != 0 ? 4U : 2U,
                     .list_indent = (bits & 2) != 0 ? 2U : 0U,
                     .last = lasts[i / kCombinations],
                     .init = static_cast<int>(bits >> 2 & 3),
                     .volumes = static_cast<int>(bits >> 4 & 3),
                     .spec_first = (bits & 64) != 0,
                     .line_break = (bits & 128) != 0,
                     .windows = (bits & 256) != 0});
  }
  return forms;
}

TEST(InjectFormsTest, EveryFormIsInjectedAndTakenOutAgain) {
  const SidecarOptions flags{.config = "web", .discover = "api"};
  for (const Form& form : SomeForms()) {
    const std::string text = TextOf(form);
    const auto once = ChangeText(text, "a.yaml", {.flags = flags});
    ASSERT_TRUE(once) << once.error().message << "\n" << text;
    ASSERT_NE(once->text, text);
    const auto twice = ChangeText(once->text, "a.yaml", {.flags = flags});
    ASSERT_TRUE(twice) << twice.error().message << "\n" << once->text;
    ASSERT_EQ(twice->text, once->text);
    const auto removed = ChangeText(once->text, "a.yaml", {.remove = true});
    ASSERT_TRUE(removed) << removed.error().message << "\n" << once->text;
    ASSERT_EQ(removed->text, text);
  }
}

TEST(InjectFormsTest, OtherOptionsUpdateWhatIsThere) {
  for (const Form& form : SomeForms()) {
    const auto with =
        ChangeText(TextOf(form), "a.yaml", {.flags = {.config = "a", .discover = "b"}});
    const auto without = ChangeText(TextOf(form), "a.yaml", {});
    ASSERT_TRUE(with && without);
    const auto less = ChangeText(with->text, "a.yaml", {});
    ASSERT_TRUE(less) << less.error().message << "\n" << with->text;
    ASSERT_EQ(less->text, without->text);
  }
}

std::string Damaged(std::string text, std::mt19937& random) {
  const auto below = [&](std::size_t end) {
    return end == 0 ? 0 : static_cast<std::size_t>(random()) % end;
  };
  for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
    const std::size_t at = below(text.size() + 1);
    constexpr std::string_view kBytes = " \n\t-:#'\"{}[],&*|>!?%@`a\r\x01\xC3";
    switch (below(5)) {
      case 0:
        text.insert(at, 1, kBytes[below(kBytes.size())]);
        break;
      case 1:
        text.erase(at, 1 + below(4));
        break;
      case 2: {  // a line less
        const std::size_t start = text.rfind('\n', at) + 1;
        text.erase(start, text.find('\n', start) - start);
        break;
      }
      case 3: {  // a line deeper
        text.insert(text.rfind('\n', at) + 1, 1 + below(3), ' ');
        break;
      }
      default:
        text.erase(at);
    }
  }
  return text;
}

TEST(InjectFormsTest, ADamagedFileIsRefusedOrStaysSound) {
  std::mt19937 random(20'240'601);  // NOLINT: the same each time
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(REMORA_GOLDEN_DIR) / "../inject")) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (int i = 0; i < 20; ++i) {
      const std::string damaged = Damaged(text, random);
      const auto changed = ChangeText(damaged, "a.yaml", {});
      if (!changed) {
        ASSERT_FALSE(changed.error().message.empty());
        ASSERT_FALSE(changed.error().hint.empty());
        continue;
      }
      const auto again = ChangeText(changed->text, "a.yaml", {});
      ASSERT_TRUE(again) << again.error().message << "\n" << damaged;
      ASSERT_EQ(again->text, changed->text) << damaged;
    }
  }
}

}  // namespace
}  // namespace remora::cli::inject
