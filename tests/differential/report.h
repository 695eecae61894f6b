// Sums up what the proxies did: a table for people, a file for machines, and how many mutants
// passed.
//
// Pure but for Print and Write; any thread.
#pragma once

#include <boost/json/array.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/grid.h"

namespace remora::differential {

struct Tally {
  // By what the oracle says of the mutant.
  std::size_t valid = 0, valid_well = 0, valid_short = 0;
  std::size_t incomplete = 0, incomplete_stopped = 0;
  std::size_t malformed = 0, malformed_stopped = 0;
  std::size_t let_through = 0, let_through_valid = 0, let_through_incomplete = 0,
              let_through_malformed = 0;
  std::size_t malformed_at_backend = 0;
  std::size_t still_open = 0;
};

class Report {
 public:
  Report(const std::vector<Proxy>& proxies, const std::vector<Case>& cases);

  void Print() const;
  // False and a line on stderr if the file can't be written.
  bool Write(const std::string& path, std::uint64_t seed) const;

  // Mutants.
  std::size_t passed() const { return cases_.size() - failed(); }
  std::size_t failed() const { return failed_; }
  // Proxies that served too little of what is valid to say anything of the rest.
  const std::vector<std::string>& idle() const { return idle_; }

 private:
  void Count(const Case& one);
  void CountRemora(const Case& one, const Verdict& verdict);
  boost::json::array Examples(std::size_t proxy) const;

  const std::vector<Proxy>& proxies_;
  const std::vector<Case>& cases_;
  std::vector<Tally> tallies_;  // by proxy
  std::size_t failed_ = 0;
  std::vector<std::string> idle_;
  std::vector<const Case*> remora_only_;     // let something through that no other did
  std::vector<const Case*> remora_too_;      // let something through, as others did
  std::vector<const Case*> remora_answers_;  // gave the client something malformed, or too much
  std::vector<const Case*> remora_fields_;   // sent the backend a field of nobody's
  std::vector<const Case*> remora_open_;     // left the client's connection open
  std::vector<const Case*> too_strict_;      // refused what all others serve
  std::map<std::string_view, std::size_t> decided_;     // refused on purpose, by Decision
  std::map<std::string_view, std::size_t> leniencies_;  // mutants by Leniency
};

// One mutant in full: its bytes, what the oracle says, what each proxy did.
std::string Describe(const std::vector<Proxy>& proxies, const Case& one);

}  // namespace remora::differential
