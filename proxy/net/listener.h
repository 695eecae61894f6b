// A listening TCP socket of one worker. With `share_port`, several (SO_REUSEPORT) take turns on the
// same port and the kernel spreads connections over them.
//
// Threads: Open on any thread, the rest on the loop's. Lifetime: outlives a pending Accept, which
// ends with operation_aborted after Close.
#pragma once

#include <coroutine>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "proxy/base/socket_address.h"
#include "proxy/base/unique_fd.h"
#include "proxy/net/awaitable.h"
#include "proxy/net/error.h"
#include "proxy/net/loop.h"
#include "proxy/net/runnable.h"

namespace remora::proxy::net {

// "127.0.0.1:3000", "[::1]:0". INVALID_ARGUMENT says what is allowed.
absl::StatusOr<SocketAddress> ParseListenAddress(std::string_view text);

// What was accepted, and from where.
struct Accepted {
  UniqueFd socket;
  SocketAddress peer;
};

class Listener final : private IoSource {
 public:
  static absl::StatusOr<std::unique_ptr<Listener>> Open(Loop& loop, const SocketAddress& address,
                                                        bool share_port);
  ~Listener() { Close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  SocketAddress address() const;

  // The next connection. Errors other than operation_aborted are of passing nature (descriptor
  // exhaustion, a client that left): wait a little and accept again.
  Awaitable<std::expected<Accepted, error_code>> Accept();

  // A connection that is waiting already; nullopt if none is.
  std::optional<Accepted> TryAccept();

  void Close();

 private:
  // Until the loop tells of a connection, or Close.
  class [[nodiscard]] Wait final : public Waiter {
   public:
    explicit Wait(Listener& listener) : listener_(listener) {}
    ~Wait() { listener_.waiter_ = nullptr; }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine);
    void await_resume() const noexcept {}

   private:
    Listener& listener_;
  };

  Listener(Loop& loop, UniqueFd socket) : loop_(loop), socket_(std::move(socket)) {}
  void OnEvents(std::uint32_t events) override;

  Loop& loop_;
  UniqueFd socket_;
  Wait* waiter_ = nullptr;
  bool muted_ = false;  // an event came while nobody accepted
};

}  // namespace remora::proxy::net
