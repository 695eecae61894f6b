// A file of the form of `remoractl servers apply`, read again when it has become another one.
//
// It looks at the file, not at the directory: whatever replaces it, a swapped link of a ConfigMap
// included, is another inode, size or time. It is read when two looks in a row agree, as half of a
// file is not a list of servers. A file that is wrong or gone changes nothing.
#pragma once

#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "cli/discovery/source.h"
#include "cli/failure.h"

namespace remora::cli::discovery {

// The servers that the text names; those of pool `default`, named or not, go into `pool`.
// Pure.
Reply<ServerSet> ServersOfFile(const std::string& text, const std::string& file,
                               const std::string& pool);

class FileSource final : public Source {
 public:
  static constexpr std::chrono::milliseconds kInterval{250};

  FileSource(boost::asio::io_context& io, std::string file, std::string pool, SourceReport report);

  void Start() override;
  void Stop() override;

 private:
  struct Stamp {
    bool there = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;  // who may read it, too

    friend bool operator==(const Stamp&, const Stamp&) = default;
  };

  Stamp Look() const;
  void Read();
  void Wait();

  const std::string file_;
  const std::string pool_;
  const SourceReport report_;
  boost::asio::steady_timer timer_;
  Stamp seen_;                 // at the last look
  std::optional<Stamp> read_;  // of what was read
  bool stopped_ = false;       // perhaps by whoever was told of what was read
};

}  // namespace remora::cli::discovery
