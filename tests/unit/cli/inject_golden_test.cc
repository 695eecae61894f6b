// The sidecar in workloads of many forms: NAME.in.yaml of tests/unit/cli/inject becomes
// NAME.out.yaml, byte for byte.
//
// After a change that is meant: REMORA_UPDATE_GOLDEN=1 build/dev/tests/unit/remora_unit_cli
// --gtest_filter='*InjectGolden*', then read `git diff tests/unit/cli/inject`.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

#include "cli/inject/inject.h"
#include "cli/version.h"

namespace remora::cli::inject {
namespace {

const std::filesystem::path kDirectory = std::filesystem::path(REMORA_GOLDEN_DIR) / "../inject";

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << "no " << path << "; see the top of this test";
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kDirectory)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".in.yaml")) names.push_back(name.substr(0, name.find('.')));
  }
  std::ranges::sort(names);
  return names;
}

// Lifts the version out of the text, so that a release changes no file here.
std::string WithoutVersion(std::string text) {
  const std::string image = "remora:" + ClientVersion();
  for (std::size_t at = 0; (at = text.find(image, at)) != std::string::npos;) {
    text.replace(at, image.size(), "remora:VERSION");
  }
  return text;
}

class InjectGoldenTest : public testing::TestWithParam<std::string> {
 protected:
  std::string Run(const std::string& text, bool remove = false) {
    const auto changed = ChangeText(text, GetParam(), {.remove = remove});
    if (changed) return changed->text;
    ADD_FAILURE() << changed.error().message << changed.error().violations.size();
    return {};
  }

  const std::string before_ = Read(kDirectory / (GetParam() + ".in.yaml"));
};

TEST_P(InjectGoldenTest, TheTextIsAsItWasButForTheSidecar) {
  const auto path = kDirectory / (GetParam() + ".out.yaml");
  const std::string after = WithoutVersion(Run(before_));
  if (std::getenv("REMORA_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << after;
    return;
  }
  EXPECT_EQ(after, Read(path)) << path;
}

TEST_P(InjectGoldenTest, AgainChangesNothing) {
  const std::string once = Run(before_);
  EXPECT_EQ(Run(once), once);
}

TEST_P(InjectGoldenTest, RemovingBringsTheTextBack) {
  const std::string removed = Run(Run(before_), /*remove=*/true);
  if (GetParam() == "cronjob") {
    // The one thing that is not kept: that there were empty lists.
    EXPECT_EQ(removed, before_.substr(0, before_.find("          volumes")) +
                           before_.substr(before_.find("          containers")));
  } else if (GetParam() != "updated") {  // which has a sidecar to begin with
    EXPECT_EQ(removed, before_);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, InjectGoldenTest, testing::ValuesIn(Names()),
                         [](const auto& param) { return param.param; });

TEST(InjectGoldenFilesTest, AreAllThere) { EXPECT_GE(Names().size(), 16U); }

TEST(InjectGoldenFilesTest, WindowsLinesHaveNoOtherLineBreaks) {
  const std::string text = Read(kDirectory / "windows_lines.out.yaml");
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; ++at) {
    ASSERT_EQ(text[at - 1], '\r') << "at byte " << at;
  }
}

}  // namespace
}  // namespace remora::cli::inject
