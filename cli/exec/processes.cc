#include "cli/exec/processes.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace remora::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// All that a process may be sent, but for those that a fault of its own raises, those that stop and
// continue it, and the one of a closed pipe.
sigset_t HandledSignals() {
  sigset_t set;
  sigfillset(&set);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGTSTP, SIGTTIN,
                        SIGTTOU, SIGCONT, SIGPIPE}) {
    sigdelset(&set, own);
  }
  return set;
}

bool IsIgnored(int signal) {
  struct sigaction action{};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

Failure CannotStart(const std::string& name, int error) {
  const bool missing = error == ENOENT;
  return {.exit = missing ? ExitCode::kNoCommand : ExitCode::kCannotRun,
          .message = "can't start " + name + ": " + std::strerror(error),
          .hint = missing ? "write its whole path, or put its folder into PATH"
                          : "it must be a program for this machine that this user may execute"};
}

timespec TimeLeft(steady_clock::time_point until) {
  const auto left = std::max(until - steady_clock::now(), steady_clock::duration::zero());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const auto rest = std::chrono::nanoseconds(left - seconds);
  return {.tv_sec = seconds.count(), .tv_nsec = rest.count()};
}

}  // namespace

SystemProcesses::SystemProcesses(std::vector<std::string> environment)
    : environment_(std::move(environment)), handled_(HandledSignals()) {
  sigemptyset(&default_in_child_);
  // gRPC ignores it in this process, and what is ignored stays so in a child.
  if (!IsIgnored(SIGPIPE)) sigaddset(&default_in_child_, SIGPIPE);
  // Where it is ignored the ends of children are not told.
  std::signal(SIGCHLD, SIG_DFL);
  pthread_sigmask(SIG_BLOCK, &handled_, &mask_before_);
}

Outcome SystemProcesses::Start(const std::vector<std::string>& command) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &mask_before_);
  posix_spawnattr_setsigdefault(&attributes, &default_in_child_);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int error =
      posix_spawnp(&child_, command.front().c_str(), /*file_actions=*/nullptr, &attributes,
                   Pointers(command).data(), Pointers(environment_).data());
  posix_spawnattr_destroy(&attributes);
  if (error == 0) return {};
  return std::unexpected(CannotStart(command.front(), error));
}

std::optional<Processes::Event> SystemProcesses::Next(std::optional<milliseconds> limit) {
  const auto until = steady_clock::now() + limit.value_or(milliseconds(0));
  while (true) {
    siginfo_t info{};
    const timespec left = TimeLeft(until);
    const int signal =
        limit ? sigtimedwait(&handled_, &info, &left) : sigwaitinfo(&handled_, &info);
    if (signal < 0 && errno == EINTR) continue;
    if (signal < 0) return std::nullopt;
    if (signal != SIGCHLD) {
      return Signalled{.number = signal, .from_terminal = info.si_code == SI_KERNEL};
    }
    // One signal may stand for several ends, and process 1 gets those of strangers too.
    if (const auto ended = Reap()) return *ended;
  }
}

std::optional<Ended> SystemProcesses::Reap() {
  std::optional<Ended> ended;
  int status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid != child_) continue;
    child_ = 0;
    ended = {.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)};
  }
  return ended;
}

void SystemProcesses::Forward(int signal) {
  if (child_ > 0) kill(child_, signal);
}

}  // namespace remora::cli
