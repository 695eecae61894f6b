// The table of limits in proxy/README.md says what the code does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "proxy/base/limit.h"
#include "proxy/base/settings.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

using ::testing::Contains;
using ::testing::SizeIs;

struct Row {
  std::string what;
  std::string value;
  std::string key;
  std::string hit;
  std::string counted;
};

std::string Trimmed(std::string text) {
  const std::size_t begin = text.find_first_not_of(" `");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" `") + 1 - begin);
}

std::vector<Row> ReadTable() {
  std::ifstream file(std::string(REMORA_SOURCE_DIR) + "/proxy/README.md");
  std::vector<Row> rows;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) inside = line == "## Limits";
    if (!inside || !line.starts_with("| ") || line.starts_with("| what ")) continue;
    std::istringstream cells(line.substr(1));
    Row row;
    for (std::string* cell : {&row.what, &row.value, &row.key, &row.hit, &row.counted}) {
      std::getline(cells, *cell, '|');
      *cell = Trimmed(*cell);
    }
    rows.push_back(row);
  }
  return rows;
}

std::string Size(std::uint64_t bytes) { return bytes == 0 ? "none" : FormatSize(bytes); }
std::string Number(std::uint64_t number) { return number == 0 ? "none" : std::to_string(number); }

TEST(LimitsTableTest, EachKeyHasItsDefault) {
  const proxy::PoolSettings pool;
  const proxy::ListenerSettings listener;
  const std::map<std::string, std::string> defaults{
      {"limits.head_bytes", Size(pool.limits.head_bytes)},
      {"limits.head_fields", Number(pool.limits.head_fields)},
      {"limits.request_line_bytes", Size(pool.limits.request_line_bytes)},
      {"limits.body_bytes", Size(pool.limits.body_bytes)},
      {"limits.chunk_extension_bytes", Size(pool.limits.chunk_extension_bytes)},
      {"limits.trailer_bytes", Size(pool.limits.trailer_bytes)},
      {"limits.interim_responses", Number(pool.limits.interim_responses)},
      {"limits.connection_requests", Number(pool.limits.connection_requests)},
      {"listeners.timeouts.request_head", FormatDuration(listener.request_head_timeout)},
      {"listeners.timeouts.keep_alive", FormatDuration(listener.keep_alive_timeout)},
      {"timeouts.idle", FormatDuration(pool.timeouts.idle)},
      {"timeouts.response_head", FormatDuration(pool.timeouts.response_head)},
      {"timeouts.connect", FormatDuration(pool.timeouts.connect)},
      {"timeouts.tunnel", FormatDuration(pool.timeouts.tunnel)},
      {"timeouts.upstream_idle", FormatDuration(pool.timeouts.upstream_idle)},
  };
  std::map<std::string, std::string> shown;
  for (const Row& row : ReadTable()) {
    if (row.key.starts_with("limits.") || row.key.contains("timeouts.")) shown[row.key] = row.value;
  }
  EXPECT_EQ(shown.erase("limits.connections"), 1u);  // its default comes from the system
  EXPECT_EQ(shown, defaults);
}

TEST(LimitsTableTest, EachCounterIsNamedOnce) {
  std::multiset<std::string> counted;
  for (const Row& row : ReadTable()) {
    if (row.counted != "-") counted.insert(row.counted.substr(0, row.counted.find('`')));
  }
  EXPECT_THAT(counted, SizeIs(proxy::kLimitCount - 1));
  for (std::size_t i = 1; i < proxy::kLimitCount; ++i) {
    EXPECT_THAT(counted, Contains(std::string(Name(static_cast<proxy::Limit>(i)))));
  }
}

}  // namespace
}  // namespace remora::server
