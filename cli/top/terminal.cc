#include "cli/top/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace remora::cli {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};

volatile std::sig_atomic_t leave = 0;

// SIGWINCH only has to end the wait: the next picture has the new size.
void OnSignal(int signal) {
  if (signal != SIGWINCH) leave = 1;
}

}  // namespace

struct Terminal::Saved {
  termios mode{};
  std::array<struct sigaction, kSignals.size()> actions{};
};

Reply<std::unique_ptr<Terminal>> Terminal::Open(std::ostream& out) {
  auto saved = std::make_unique<Saved>();
  const int keys = ::open("/dev/tty", O_RDONLY | O_CLOEXEC);
  if (keys < 0 || ::tcgetattr(keys, &saved->mode) != 0) {
    if (keys >= 0) ::close(keys);
    return std::unexpected(Failure{.exit = ExitCode::kUsage,
                                   .message = "there is no terminal to read keys from",
                                   .hint = "use `remoractl servers list --watch -o jsonl`"});
  }
  return std::unique_ptr<Terminal>(new Terminal(out, keys, std::move(saved)));
}

Terminal::Terminal(std::ostream& out, int keys, std::unique_ptr<Saved> saved)
    : out_(out), keys_(keys), saved_(std::move(saved)) {
  leave = 0;
  struct sigaction action{};
  action.sa_handler = OnSignal;  // without SA_RESTART: it ends the wait
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals.at(i), &action, &saved_->actions.at(i));
  }
  termios raw = saved_->mode;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  ::tcsetattr(keys_, TCSANOW, &raw);
  out_ << "\x1b[?1049h\x1b[?25l" << std::flush;
}

Terminal::~Terminal() {
  out_ << "\x1b[?25h\x1b[?1049l" << std::flush;
  ::tcsetattr(keys_, TCSANOW, &saved_->mode);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals.at(i), &saved_->actions.at(i), nullptr);
  }
  ::close(keys_);
}

TopSize Terminal::size() const {
  winsize size{};
  if (::ioctl(keys_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {.columns = size.ws_col, .rows = size.ws_row};
}

void Terminal::Draw(const std::string& frame) {
  // From the upper left corner, each line over the old one, then nothing: no flicker.
  std::string text = "\x1b[H";
  for (const char c : frame) text += c == '\n' ? std::string("\x1b[K\r\n") : std::string(1, c);
  out_ << text << "\x1b[K\x1b[J" << std::flush;
}

bool Terminal::WaitOrLeave(std::chrono::milliseconds limit) {
  constexpr char kEndOfText = 3;          // Ctrl-C
  constexpr char kEndOfTransmission = 4;  // Ctrl-D
  if (leave != 0 || !out_) return false;
  pollfd wait{.fd = keys_, .events = POLLIN, .revents = 0};
  const int ready = ::poll(&wait, 1, static_cast<int>(limit.count()));
  if (leave != 0) return false;
  if (ready <= 0) return ready == 0 || errno == EINTR;
  char key = 0;
  const auto count = ::read(keys_, &key, 1);
  if (count <= 0) return count < 0 && (errno == EINTR || errno == EAGAIN);
  return key != 'q' && key != 'Q' && key != kEndOfText && key != kEndOfTransmission;
}

}  // namespace remora::cli
