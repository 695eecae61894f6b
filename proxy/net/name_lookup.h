// Name look-ups (hosts file and DNS, as the C library does them) on threads of their own, as they
// block for as long as a name server is silent.
//
// Threads: any; `done` runs on the look-up's thread (within Start, with an error, where no thread
// can be had) and should only Post. Lifetime: look-ups that are queued are dropped when this is
// destroyed; one that is under way can't be interrupted and is not waited for: its thread goes on
// alone, owning what it touches, and `done` is not called.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/socket_address.h"

namespace remora::proxy::net {

class NameLookup {
 public:
  // The addresses, or why there are none ("Name or service not known").
  using Result = std::expected<std::vector<SocketAddress>, std::string>;
  using Done = std::function<void(Result)>;

  // Threads are started as they are needed, at most `max_threads`.
  explicit NameLookup(std::size_t max_threads = 4);
  ~NameLookup();
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;

  void Start(std::string host, std::uint16_t port, Done done);

 private:
  struct Shared;
  static void Work(std::shared_ptr<Shared> shared);

  const std::size_t max_threads_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace remora::proxy::net
