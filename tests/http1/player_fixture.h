// What the tests over the tables share: one player for all cases of a suite, and their names.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>

#include "tests/http1/case_table.h"
#include "tests/http1/player.h"

namespace remora::http1 {

class PlayerFixture : public ::testing::Test {
 public:
  static void SetUpTestSuite() { player_ = std::make_unique<Player>(); }
  static void TearDownTestSuite() { player_.reset(); }

 protected:
  static Player& player() { return *player_; }

 private:
  static inline std::unique_ptr<Player> player_;
};

inline auto AllWays() { return ::testing::Values(Way::kWhole, Way::kBytes, Way::kCuts); }

// host_twice_bytes
template <class Case>
std::string NameOfPlay(const ::testing::TestParamInfo<std::tuple<Case, Way>>& info) {
  std::string name = std::get<0>(info.param).name;
  std::ranges::replace(name, '-', '_');
  return name + '_' + std::string(NameOf(std::get<1>(info.param)));
}

// For gtest's messages.
inline void PrintTo(const RequestCase& shown, std::ostream* out) { *out << shown.name; }
inline void PrintTo(const ResponseCase& shown, std::ostream* out) { *out << shown.name; }
inline void PrintTo(Way way, std::ostream* out) { *out << NameOf(way); }

}  // namespace remora::http1
