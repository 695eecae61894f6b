// Makes requests that are nearly right, from ones that are.
//
// Pure: a mutant depends on the seed, its number and the list of seeds only. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace remora::differential {

struct Mutant {
  std::uint64_t number = 0;
  std::string bytes;
  std::size_t cut = 0;      // the first part is sent alone; 0: all at once
  bool half_close = false;  // the client says at once that no more comes
};

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, std::uint64_t seed)
      : seeds_(std::move(seeds)), seed_(seed) {}

  // The first ones are the seeds as they are.
  Mutant Make(std::uint64_t number) const;

 private:
  std::vector<std::string> seeds_;
  std::uint64_t seed_;
};

}  // namespace remora::differential
