#include "server/control/listen_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proxy/base/abseil.h"
#include "proxy/base/socket_address.h"
#include "server/config/values.h"

namespace remora::server {
namespace {

using proxy::SocketAddress;

constexpr int kBacklog = 128;
constexpr mode_t kSocketMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
// Another process holds the directory's lock only while it binds.
constexpr std::chrono::milliseconds kLockRetry{20};
constexpr int kLockTries = 100;

absl::Status SystemError(std::string_view what, int error) {
  return absl::ErrnoToStatus(error, ToAbsl(what));
}

bool OwnedByUsOrRoot(const struct stat& info) {
  return info.st_uid == geteuid() || info.st_uid == 0;
}

// The directory must not let a third user rename or remove what we put into it; `entry` is what
// `path` itself names, which may be a link to it.
absl::Status CheckDirectory(const std::string& path, const struct stat& entry, int fd) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return SystemError("cannot look at " + path, errno);
  for (const struct stat& one : {entry, info}) {
    if (OwnedByUsOrRoot(one)) continue;
    return absl::FailedPreconditionError(absl::StrFormat(
        "the directory %s belongs to another user (uid %d), who could replace the socket; use a "
        "directory of mode 0700 that is owned by uid %d",
        path, one.st_uid, geteuid()));
  }
  const bool others_write = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  const bool sticky = (info.st_mode & S_ISVTX) != 0;
  if (others_write && !sticky) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the directory %s is writable by other users (mode %04o), who could replace the socket; "
        "use a subdirectory, such as unix:%s/remora/control.sock: it is made with mode 0700",
        path, info.st_mode & 07777, path));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) {
  if (mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    const int error = errno;
    return SystemError("cannot create the directory " + path + " for the control socket", error);
  }
  // Links are followed, as /var/run is one; what they lead to is judged once it is open.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return SystemError("cannot open the directory " + path, errno);
  struct stat entry{};
  if (lstat(path.c_str(), &entry) != 0) return SystemError("cannot look at " + path, errno);
  if (absl::Status status = CheckDirectory(path, entry, fd.get()); !status.ok()) return status;
  return fd;
}

// Held from the look at what is there until our socket is in its place.
absl::Status LockDirectory(const std::string& path, int fd) {
  for (int i = 0; i < kLockTries; ++i) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return SystemError("cannot lock the directory " + path, errno);
    }
    std::this_thread::sleep_for(kLockRetry);
  }
  return absl::UnavailableError("another process keeps the directory " + path + " locked");
}

// Removes the socket of a dead process at `address`; refuses to touch anything else.
absl::Status MakeRoom(const std::string& path, const SocketAddress& address) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : SystemError("cannot look at " + path, errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(path +
                                    " is not a socket, so it is not removed; move it away "
                                    "or choose another path");
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) return SystemError("cannot create a socket", errno);
  const bool refused =
      connect(probe.get(), address.data(), address.size()) != 0 && errno == ECONNREFUSED;
  if (!refused) {
    return absl::AlreadyExistsError("another process serves " + path +
                                    "; stop it or choose another path");
  }
  if (unlink(path.c_str()) != 0) return SystemError("cannot remove the stale " + path, errno);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ListenSocket> ListenSocket::Open(std::string_view address, bool insecure) {
  constexpr std::string_view kUnix = "unix:";
  absl::StatusOr<ListenSocket> opened = address.starts_with(kUnix)
                                            ? OpenUnix(std::string(address.substr(kUnix.size())))
                                            : OpenTcp(address, insecure);
  if (opened.ok()) return opened;
  return absl::Status(opened.status().code(),
                      absl::StrCat("cannot bind control ", absl::CHexEscape(ToAbsl(address)), ": ",
                                   opened.status().message()));
}

absl::StatusOr<ListenSocket> ListenSocket::OpenUnix(const std::string& path) {
  const std::optional<SocketAddress> address = SocketAddress::FromUnixPath(path);
  if (!address || path.empty() || path.front() != '/') {
    return absl::InvalidArgumentError("a unix socket needs an absolute path of at most 107 bytes");
  }
  const std::string directory = std::filesystem::path(path).parent_path();
  const absl::StatusOr<UniqueFd> lock = OpenDirectory(directory);
  if (!lock.ok()) return lock.status();
  if (absl::Status status = LockDirectory(directory, lock->get()); !status.ok()) return status;
  if (absl::Status status = MakeRoom(path, *address); !status.ok()) return status;

  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return SystemError("cannot create a socket", errno);
  // The mode of the socket itself bounds the mode of the file that bind makes, so there is no
  // moment at which the umask decides; chmod then gives back what a strict umask took away.
  if (fchmod(fd.get(), kSocketMode) != 0 || bind(fd.get(), address->data(), address->size()) != 0 ||
      chmod(path.c_str(), kSocketMode) != 0) {
    return SystemError("check the directory and its permissions", errno);
  }
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) return SystemError("cannot look at " + path, errno);
  File file{.path = path, .device = info.st_dev, .inode = info.st_ino};
  ListenSocket socket(std::move(fd), "unix:" + path, std::move(file));
  if (listen(socket.fd(), kBacklog) != 0) return SystemError("cannot listen", errno);
  return socket;
}

absl::StatusOr<ListenSocket> ListenSocket::OpenTcp(std::string_view text, bool insecure) {
  if (absl::Status status = CheckControlTcp(text, insecure); !status.ok()) return status;
  const std::optional<IpPort> parsed = ParseIpPort(text);
  const SocketAddress address = *SocketAddress::FromIp(parsed->ip, parsed->port);
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return SystemError("cannot create a socket", errno);
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd.get(), address.data(), address.size()) != 0 || listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    return SystemError("stop the process that uses it or choose another address with --control",
                       error);
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return SystemError("cannot read the bound address", errno);
  }
  const SocketAddress real(reinterpret_cast<const sockaddr*>(&bound), size);
  return ListenSocket(std::move(fd), real.ToString(), std::nullopt);
}

ListenSocket::~ListenSocket() {
  if (!fd_ || !file_) return;
  struct stat info{};
  const bool ours = lstat(file_->path.c_str(), &info) == 0 && info.st_dev == file_->device &&
                    info.st_ino == file_->inode;
  if (ours) unlink(file_->path.c_str());
}

}  // namespace remora::server
