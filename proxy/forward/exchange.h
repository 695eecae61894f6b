// One request of a client and its answer: the seam between the control flow of a request (forward/)
// and the protocol spoken downstream. HTTP/1 is one implementation.
//
// Threads: the worker's. At most one read and one send at a time, which may run in different
// coroutines. Lifetime: the head stays valid as long as the exchange, a piece until the next read
// of the body; what BufferedBody gave stays valid until ReadBody is called.
#pragma once

#include <cstdint>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/error.h"
#include "proxy/base/settings.h"
#include "proxy/message/body.h"
#include "proxy/message/head.h"
#include "proxy/net/awaitable.h"

namespace remora::proxy {

class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const message::RequestHead& request() const = 0;
  virtual std::string_view request_id() const = 0;
  virtual std::string_view client_ip() const = 0;
  // Of the listener that it came over.
  virtual Direction direction() const = 0;

  // The part of the body that came with the head, and what there is behind it already.
  virtual Result<message::BodyPiece> BufferedBody() = 0;
  // What BufferedBody gave has been sent and is not needed any more.
  virtual void ForgetBody() = 0;
  virtual net::Awaitable<Result<message::BodyPiece>> ReadBody() = 0;
  // Makes a pending or later ReadBody fail; the answer can still be sent.
  virtual void StopReading() = 0;

  // A 1xx of the backend; kept from clients that don't know it.
  virtual net::Awaitable<Result<void>> SendInterim(const message::ResponseHead& head) = 0;
  // Makes the final head ready to be sent.
  virtual void PrepareHead(const message::ResponseHead& head) = 0;
  // Sends it and what there is of the body already, as far as the socket takes them at once. False:
  // SendRest sends what is left of them; `first` stays until then.
  virtual Result<bool> SendHead(message::BodyPiece first) = 0;
  virtual net::Awaitable<Result<void>> SendRest() = 0;
  virtual net::Awaitable<Result<void>> SendBody(message::BodyPiece piece) = 0;
  // The proxy's own answer. Not after PrepareHead.
  virtual net::Awaitable<Result<void>> SendError(const ProxyError& error) = 0;

  // After a 101: ReadBody and SendBody carry bytes as they are; an `end` is a half-close.
  virtual void StartTunnel(Duration idle) = 0;
  // Of the relayed bodies, without framing, so far; our own answers don't count.
  virtual std::uint64_t bytes_in() const = 0;
  virtual std::uint64_t bytes_out() const = 0;
  // The answer is incomplete: the client must notice.
  virtual void Abort() = 0;
};

}  // namespace remora::proxy
