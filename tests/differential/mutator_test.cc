#include "tests/differential/mutator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <set>

#include "tests/differential/reading.h"
#include "tests/differential/seeds.h"

namespace remora::differential {
namespace {

using strict::Outcome;
using ::testing::ElementsAre;
using ::testing::Optional;

TEST(SeedsTest, OurOwnAreAllValid) {
  for (const std::string& seed : OwnSeeds()) {
    const Reading reading = Read(seed);
    EXPECT_EQ(reading.rest, Outcome::kComplete) << Escaped(seed) << ": " << reading.problem;
    EXPECT_EQ(reading.due(), reading.messages.size()) << Escaped(seed);
  }
}

TEST(SeedsTest, ACaseTableGivesBytesAsTheyAreMeantAndLeavesOutWhatIsLong) {
  const std::string path = ::testing::TempDir() + "differential_cases.yaml";
  std::ofstream(path) << R"(
- name: a
  send: "G\0\x80\xff\r\n"
- name: b
  send: ["x", {repeat: "ab", times: 2}, "\xc3"]
- name: c
  send: [{repeat: "a", times: 70000}]
- name: d
  send: ""
)";
  EXPECT_THAT(SeedsFromCases(path),
              Optional(ElementsAre(std::string("G\0\x80\xff\r\n", 6), std::string("xabab\xc3"))));
  std::remove(path.c_str());
  EXPECT_EQ(SeedsFromCases(path), std::nullopt);
}

TEST(MutatorTest, TheFirstMutantsAreTheSeeds) {
  const Mutator mutator({"one", "two"}, 7);
  EXPECT_EQ(mutator.Make(0).bytes, "one");
  EXPECT_EQ(mutator.Make(1).bytes, "two");
}

TEST(MutatorTest, ANumberAndASeedAlwaysMakeTheSame) {
  const Mutator mutator(OwnSeeds(), 7);
  const Mutator same(OwnSeeds(), 7);
  const Mutator other(OwnSeeds(), 8);
  std::size_t different = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    EXPECT_EQ(mutator.Make(i).bytes, same.Make(i).bytes);
    EXPECT_EQ(mutator.Make(i).cut, same.Make(i).cut);
    EXPECT_EQ(mutator.Make(i).half_close, same.Make(i).half_close);
    different += mutator.Make(i).bytes != other.Make(i).bytes;
  }
  EXPECT_GT(different, 400u);
}

TEST(MutatorTest, MutantsAreOfAllKindsAndNeverEmpty) {
  const Mutator mutator(OwnSeeds(), 7);
  std::set<std::string> all;
  std::size_t kinds[3] = {};
  std::size_t cut = 0;
  std::size_t open = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const Mutant mutant = mutator.Make(i);
    ASSERT_FALSE(mutant.bytes.empty());
    ASSERT_LT(mutant.cut, mutant.bytes.size());
    all.insert(mutant.bytes);
    ++kinds[static_cast<int>(Read(mutant.bytes).rest)];
    cut += mutant.cut > 0;
    open += !mutant.half_close;
  }
  EXPECT_GT(all.size(), 1800u);
  EXPECT_THAT(kinds, ::testing::Each(::testing::Gt(50u)));
  EXPECT_GT(cut, 200u);
  EXPECT_GT(open, 100u);
}

}  // namespace
}  // namespace remora::differential
