// The terminal while `top` has it: a screen of its own, no echo, keys at once. All is as before
// when this goes, also after SIGINT, SIGTERM and SIGHUP, which it turns into a wish to leave.
//
// Threads: one, and one Terminal at a time, as signals belong to the process. Lifetime: `out`
// outlives it.
#pragma once

#include <chrono>
#include <csignal>
#include <memory>
#include <ostream>
#include <string>

#include "cli/failure.h"
#include "cli/top/top_model.h"

namespace remora::cli {

class Terminal {
 public:
  // kUsage where keys can't be read.
  static Reply<std::unique_ptr<Terminal>> Open(std::ostream& out);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  TopSize size() const;
  void Draw(const std::string& frame);

  // Waits for a key, a signal or the end of `limit`. False: whoever sits there wants to leave (q,
  // Ctrl-C, Ctrl-D), a signal says so, or the terminal is gone.
  bool WaitOrLeave(std::chrono::milliseconds limit);

 private:
  struct Saved;
  Terminal(std::ostream& out, int keys, std::unique_ptr<Saved> saved);

  std::ostream& out_;
  const int keys_;  // descriptor
  const std::unique_ptr<Saved> saved_;
};

}  // namespace remora::cli
