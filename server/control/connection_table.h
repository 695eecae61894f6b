// Counts the control connections that are open, although gRPC owns their descriptors.
//
// A socket is remembered as (descriptor, SO_COOKIE). The cookie is unique for as long as the kernel
// runs, so a descriptor that was closed, or closed and used again for something else, is told apart
// from the socket that was handed over with one getsockopt; no descriptor is duplicated and nobody
// has to say that a connection ended. Looking costs one system call an entry and happens only when
// the table is full.
// Single-threaded: the accept thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace remora::server {

class ConnectionTable {
 public:
  explicit ConnectionTable(std::size_t capacity) : capacity_(capacity) {}

  // Remembers the socket `fd`; false when `capacity` sockets are open already.
  bool Admit(int fd);

  // Sockets that are open, counted now.
  std::size_t CountOpen();

 private:
  struct Entry {
    int fd;
    std::uint64_t cookie;
  };

  const std::size_t capacity_;
  std::vector<Entry> entries_;
};

}  // namespace remora::server
