#include "server/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proxy/base/log.h"

namespace remora::server {
namespace {

namespace fs = std::filesystem;

// Editors and kubelet make several changes one after the other.
constexpr std::chrono::milliseconds kQuiet{100};
// A directory in which others write all the time is never quiet.
constexpr std::chrono::milliseconds kLongest{1000};
constexpr int kMaxLinks = 40;  // as the kernel
// Not IN_MODIFY: half of a file is not a configuration.
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                                  IN_ONLYDIR;

}  // namespace

std::vector<std::string> DirectoriesOnTheWay(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (error) return {};
  std::deque<fs::path> left;
  for (const fs::path& part : absolute.relative_path()) left.push_back(part);
  std::vector<std::string> directories;
  const auto add = [&directories](const fs::path& directory) {
    if (std::ranges::find(directories, directory.string()) == directories.end()) {
      directories.push_back(directory.string());
    }
  };
  fs::path at = "/";
  int links = 0;
  while (!left.empty()) {
    const fs::path part = left.front();
    left.pop_front();
    if (part == ".." || part == "." || part.empty()) {
      if (part == "..") at = at.parent_path();
      continue;
    }
    const fs::path target = fs::read_symlink(at / part, error);
    if (error) {  // not a link, or not there
      if (left.empty()) add(at);
      if (!fs::exists(at / part, error)) {
        add(at);
        break;
      }
      at /= part;
      continue;
    }
    add(at);
    if (++links > kMaxLinks) break;
    if (target.is_absolute()) at = "/";
    const fs::path relative = target.relative_path();
    left.insert(left.begin(), relative.begin(), relative.end());
  }
  return directories;
}

FileWatch::FileWatch(proxy::net::AsioLoop& loop, std::string path, FileStamp read,
                     std::function<void()> on_change)
    : path_(std::move(path)),
      known_(read),
      on_change_(std::move(on_change)),
      inotify_(loop.executor()),
      quiet_(loop) {}

absl::Status FileWatch::Start() {
  const int descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0) {
    return absl::UnavailableError(absl::StrCat("inotify: ", std::strerror(errno)));
  }
  inotify_.assign(descriptor);
  WatchDirectories();
  if (watches_.empty()) {
    Stop();
    return absl::UnavailableError("inotify: no directory can be watched");
  }
  Wait();
  Settle();  // it may have changed since it was read
  return absl::OkStatus();
}

void FileWatch::Stop() {
  proxy::net::error_code ignored;
  inotify_.close(ignored);
  quiet_.Cancel();
}

void FileWatch::Acknowledge() { known_ = StampOf(path_); }

void FileWatch::Wait() {
  inotify_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                      [this](proxy::net::error_code error) {
                        if (error) return;
                        ReadEvents();
                        Settle();
                        Wait();
                      });
}

// That something happened is enough; what it was is seen in the file.
void FileWatch::ReadEvents() {
  alignas(inotify_event) std::array<char, 4096> events;
  while (read(inotify_.native_handle(), events.data(), events.size()) > 0) {
  }
}

void FileWatch::WatchDirectories() {
  std::set<int> watches;
  for (const std::string& directory : DirectoriesOnTheWay(path_)) {
    // The same directory again gives the same watch.
    const int watch = inotify_add_watch(inotify_.native_handle(), directory.c_str(), kEvents);
    if (watch >= 0) watches.insert(watch);
  }
  for (const int old : watches_) {
    if (!watches.contains(old)) inotify_rm_watch(inotify_.native_handle(), old);
  }
  watches_ = std::move(watches);
}

void FileWatch::Settle() {
  const proxy::TimePoint now = proxy::Clock::now();
  if (!std::exchange(settling_, true)) first_event_ = now;
  quiet_.ExpireAt(std::min(now + kQuiet, first_event_ + kLongest));
  quiet_.OnExpiry([this] {
    settling_ = false;
    Look();
  });
}

void FileWatch::Look() {
  if (!inotify_.is_open()) return;
  // A link may lead elsewhere now. First the watches, then the look: what comes between is told.
  WatchDirectories();
  const FileStamp now = StampOf(path_);
  if (now == known_) return log::Debug("the configuration file is the same", {{"file", path_}});
  // Whoever writes it anew empties it first: the end of the writing is told, too.
  if (now.size == 0 && now != FileStamp()) return;
  known_ = now;
  on_change_();
}

}  // namespace remora::server
