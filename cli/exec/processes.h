// What `exec` needs of the operating system: to start one child, and to hear of signals and of its
// end. A seam, so that what `exec` does is tested without processes.
//
// Threads: one. It is made before any other thread of the process, as those inherit the signals
// that it blocks. Lifetime: one for a process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/failure.h"

namespace remora::cli {

// A signal that was sent to this process.
struct Signalled {
  int number = 0;
  bool from_terminal = false;  // Ctrl-C: the child has it already
};
// The child has ended.
struct Ended {
  int code = 0;  // its own, or 128 and the number of the signal that ended it
};

class Processes {
 public:
  virtual ~Processes() = default;

  // Starts the child. The error: kCannotRun or kNoCommand.
  virtual Outcome Start(const std::vector<std::string>& command) = 0;
  // What comes next; nullopt where nothing comes within `limit`.
  using Event = std::variant<Signalled, Ended>;
  virtual std::optional<Event> Next(std::optional<std::chrono::milliseconds> limit) = 0;
  // Hands a signal on to the child.
  virtual void Forward(int signal) = 0;
};

// The real ones. As process 1 it also takes away the dead children of others.
class SystemProcesses final : public Processes {
 public:
  // `environment` is the child's: "NAME=value".
  explicit SystemProcesses(std::vector<std::string> environment);

  Outcome Start(const std::vector<std::string>& command) override;
  std::optional<Event> Next(std::optional<std::chrono::milliseconds> limit) override;
  void Forward(int signal) override;

 private:
  std::optional<Ended> Reap();

  const std::vector<std::string> environment_;
  sigset_t handled_{};
  sigset_t mask_before_{};
  sigset_t default_in_child_{};
  pid_t child_ = 0;
};

}  // namespace remora::cli
