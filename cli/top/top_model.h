// What `remoractl top` shows: rates from two looks at the counters, and the picture made of it.
// Pure: time and size of the terminal come in.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "remora/v1/control.pb.h"

namespace remora::cli {

struct TopSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

class TopModel {
 public:
  // Another look at the servers.
  void Sample(const v1::ListServersResponse& servers, std::chrono::steady_clock::time_point now);

  // Requests a second between the last two looks; nullopt where there are no two, or where the
  // daemon has counted nothing yet.
  std::optional<double> RequestsPerSecond(const std::string& uid) const;

  // A head, a table and, where that is cut, how many servers are not shown; each line fits, and
  // ends with a newline except the last. `note` (an error) stands in the second line.
  std::string Frame(const std::string& address, const std::string& note, TopSize size,
                    bool with_colour) const;

 private:
  struct Rate {
    std::uint64_t requests = 0;
    std::optional<double> per_second;
  };

  std::vector<v1::Server> servers_;
  std::map<std::string, Rate> rates_;  // by uid
  std::optional<std::chrono::steady_clock::time_point> last_;
};

// At most so many columns of `line`; sequences that set a colour take none, and none stays set.
std::string CutToWidth(const std::string& line, std::size_t columns);

}  // namespace remora::cli
