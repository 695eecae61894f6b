// Tells when a file has become another one: written in place, replaced by a rename, or reached over
// a symbolic link that was swapped (as Kubernetes does with a ConfigMap).
//
// It watches the directories on the way to the file, not the file: that one may be replaced or be
// gone for a moment. What happens to other files in these directories is noticed and passed over.
// Threads: the loop's only. Lifetime: the loop outlives it; Stop lets the loop end.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proxy/net/asio_loop.h"
#include "proxy/net/timer.h"
#include "server/config/file_stamp.h"

namespace remora::server {

// The directories in which a change could make `path` lead to another file: those that hold a
// symbolic link on the way, and the one that holds the file. As far as they are there.
std::vector<std::string> DirectoriesOnTheWay(const std::string& path);

class FileWatch {
 public:
  // `read`: of the file that is known; `on_change` is called once it is another one and the
  // directories have been quiet for a moment.
  FileWatch(proxy::net::AsioLoop& loop, std::string path, FileStamp read,
            std::function<void()> on_change);

  // An error where the system has no watches left; the file is not watched then.
  absl::Status Start();
  void Stop();

  // The file as it is now is known.
  void Acknowledge();

 private:
  void Wait();
  void ReadEvents();
  void WatchDirectories();
  void Settle();
  void Look();

  const std::string path_;
  FileStamp known_;
  const std::function<void()> on_change_;
  boost::asio::posix::basic_stream_descriptor<proxy::net::Executor> inotify_;
  proxy::net::Timer quiet_;
  proxy::TimePoint first_event_;
  bool settling_ = false;
  std::set<int> watches_;
};

}  // namespace remora::server
