// The socket on which the control API is reached: who may open it is decided here.
//
// unix:/path    Mode 0600 whatever the umask, and never wider, not even for a moment. Its directory
//               is made with mode 0700 where it is missing and refused where somebody else could
//               swap the socket in it. A socket left behind by a dead process is replaced, a live
//               one is refused, and two processes that start at once can't both win.
// ip:port       Loopback, and only with `insecure`: there is no mTLS yet.
//
// Threads: none of its own; the descriptor may be used on another thread than the owner's.
// Lifetime: the destructor closes the socket and removes its file, if the file is still ours.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proxy/base/unique_fd.h"

namespace remora::server {

using proxy::UniqueFd;

class ListenSocket {
 public:
  // INVALID_ARGUMENT for an address that is not allowed, else what the system said, with advice.
  static absl::StatusOr<ListenSocket> Open(std::string_view address, bool insecure);

  ListenSocket(ListenSocket&& other) noexcept = default;
  ListenSocket& operator=(ListenSocket&& other) = delete;
  ~ListenSocket();

  int fd() const { return fd_.get(); }
  bool is_unix() const { return file_.has_value(); }
  // As bound, with the real port: "unix:/run/remora/control.sock" or "127.0.0.1:3001".
  const std::string& address() const { return address_; }

 private:
  // Tells our file from one that has taken its place.
  struct File {
    std::string path;
    dev_t device = 0;
    ino_t inode = 0;
  };

  ListenSocket(UniqueFd fd, std::string address, std::optional<File> file)
      : fd_(std::move(fd)), address_(std::move(address)), file_(std::move(file)) {}

  static absl::StatusOr<ListenSocket> OpenUnix(const std::string& path);
  static absl::StatusOr<ListenSocket> OpenTcp(std::string_view address, bool insecure);

  UniqueFd fd_;
  std::string address_;
  std::optional<File> file_;
};

}  // namespace remora::server
