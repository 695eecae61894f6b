// Files that are refused, each with all that is said of it: bad_config_files.yaml.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "server/config/parse.h"

namespace remora::server {
namespace {

struct BadFile {
  std::string text;
  std::string message;
};

std::vector<BadFile> ReadBadFiles() {
  std::vector<BadFile> files;
  const std::string path =
      std::string(REMORA_SOURCE_DIR) + "/tests/unit/server/bad_config_files.yaml";
  for (const auto& entry : YAML::LoadFile(path)) {
    std::string message = entry["says"].Scalar();
    while (message.ends_with('\n')) message.pop_back();
    files.push_back({.text = entry["file"].Scalar(), .message = message});
  }
  return files;
}

TEST(BadConfigFilesTest, EachIsAnsweredWithPlaceAndRemedy) {
  const std::vector<BadFile> files = ReadBadFiles();
  EXPECT_GE(files.size(), 90U) << "the table shrank";
  for (const BadFile& file : files) {
    const absl::StatusOr<Config> config = ParseConfig(file.text, "c.yaml");
    const std::string says = config.ok() ? "valid" : std::string(config.status().message());
    EXPECT_EQ(says, file.message) << "of this file:\n" << file.text;
  }
}

}  // namespace
}  // namespace remora::server
