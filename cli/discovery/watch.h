// List and watch of the EndpointSlices of one Service, as a state machine without I/O: it says what
// to ask the API server next, and is fed with what the server answers.
//
//   list pages -> watch from the list's resourceVersion -> (ended) watch from the last one seen
//                    410 Gone, or the resync interval -> list again
//
// The slices that are known stay until a new list is complete, whatever fails meanwhile.
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "cli/discovery/slices.h"

namespace remora::cli::discovery {

class SliceWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Request {
    bool watch = false;  // the answer is a stream of lines, else one document
    std::string target;  // path and query
  };

  // Why it can't go on with this answer, for people.
  using Problem = std::string;

  // `base_path`: before each path, without a slash at its end. A list is made again every `resync`.
  SliceWatch(std::string base_path, const std::string& name_space, const std::string& service,
             std::chrono::seconds resync);

  // What to ask now.
  Request Next(Time now);

  // The answer to a list, or to a watch that is not 200. Where it was Gone, Next lists from
  // scratch.
  std::expected<void, Problem> OnAnswer(unsigned status, std::string_view body, Time now);

  // More of the stream of a watch. After a problem the stream is to be closed; Next is right then.
  std::expected<void, Problem> OnBytes(std::string_view bytes);
  // The stream has ended, orderly or not: half a line is forgotten.
  void OnEnd() { line_.clear(); }

  // All slices, once a first list is complete.
  const std::optional<Slices>& slices() const { return slices_; }
  // The last answer was that the version, or the page, is too old: the new list that Next begins is
  // no failure.
  bool gone() const { return gone_; }
  // Counts what changed `slices`.
  std::uint64_t generation() const { return generation_; }
  // Lists that were complete; the first one included.
  std::uint64_t lists() const { return lists_; }
  // Something was received that proves a watch works.
  std::uint64_t events() const { return events_; }

 private:
  std::expected<void, Problem> OnLine(std::string_view line);
  std::expected<void, Problem> OnError(const boost::json::value& status);
  std::expected<void, Problem> OnListPage(std::string_view body, Time now);
  void StartOver();

  const std::string path_;
  const std::chrono::seconds resync_;

  std::string version_;   // to watch from; empty: list first
  std::string continue_;  // token of the next page; empty: the first one
  Slices listing_;        // the pages so far
  Time list_due_;
  bool gone_ = false;

  std::string line_;
  std::optional<Slices> slices_;
  std::uint64_t generation_ = 0;
  std::uint64_t lists_ = 0;
  std::uint64_t events_ = 0;
};

}  // namespace remora::cli::discovery
