// Accepts the control connections on a thread of its own and hands the descriptors over.
//
// Why not gRPC's listener: that of gRPC 1.51 (Debian) never accepts again once accept has failed
// for want of descriptors (CVE-2023-4785). Why a thread with poll and not the control thread: the
// control API is what an operator has left when that thread is busy, and handing over runs gRPC's
// code, which we don't want between two probes.
//
// Each connection has a number, which is logged with its peer's uid and pid (debug): a call names
// its peer only as "unix:".
// Refused by closing at once: peers of another user on a unix socket, and what is beyond
// `max_connections`. Out of descriptors: a reserve descriptor is given up to accept and close the
// waiting connection, so that the loop neither spins nor leaves peers hanging.
// Threads: constructed and destroyed on any one thread; `hand_over` runs on the loop's.
// Lifetime: `socket` and whatever `hand_over` refers to outlive it.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>

#include "proxy/base/clock.h"
#include "proxy/base/unique_fd.h"
#include "server/control/connection_table.h"
#include "server/control/listen_socket.h"

namespace remora::server {

class AcceptLoop {
 public:
  // Owns the descriptor from here.
  using HandOver = std::function<void(UniqueFd fd)>;

  AcceptLoop(const ListenSocket& socket, std::size_t max_connections, HandOver hand_over);
  // Accepts nothing more once it returns.
  ~AcceptLoop();
  AcceptLoop(const AcceptLoop&) = delete;
  AcceptLoop& operator=(const AcceptLoop&) = delete;

 private:
  // A warning at most every ten seconds, with the number of those left out.
  class RateLimitedWarning {
   public:
    void Write(const char* message, const char* detail);

   private:
    proxy::TimePoint next_{};
    std::size_t left_out_ = 0;
  };

  enum class Outcome { kAgain, kIdle, kBackOff };

  void Run();
  Outcome AcceptOne();
  Outcome OnAcceptError(int error);
  Outcome ShedOne();
  void Admit(UniqueFd fd);
  // nullopt over TCP, and where the system does not tell.
  std::optional<ucred> PeerOf(int fd) const;

  const ListenSocket& socket_;
  const HandOver hand_over_;
  // Below: touched by the loop's thread only.
  ConnectionTable connections_;
  std::uint64_t accepted_ = 0;  // the number of the latest connection
  UniqueFd reserve_;
  RateLimitedWarning cap_warning_;
  RateLimitedWarning descriptor_warning_;
  RateLimitedWarning peer_warning_;

  const UniqueFd wake_;  // an eventfd, readable once the loop shall end
  std::thread thread_;   // last: starts when everything else is there
};

}  // namespace remora::server
