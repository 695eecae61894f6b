// A connection to a backend that carries one request at a time: the seam between the control flow
// of a request (forward/) and the protocol spoken upstream. HTTP/1 is one implementation.
//
// Threads: the worker's. At most one send and one read at a time, which may run in different
// coroutines. Lifetime: response heads and pieces are valid until the next read, except that the
// head of the final response stays valid until Finish.
#pragma once

#include "proxy/base/clock.h"
#include "proxy/base/error.h"
#include "proxy/message/body.h"
#include "proxy/message/head.h"
#include "proxy/message/serialize.h"
#include "proxy/net/awaitable.h"

namespace remora::proxy::upstream {

// A drain deadline, or the end of the process: not the backend's failure, and final.
inline std::unexpected<ProxyError> CutError() {
  return Fail(ErrorKind::kDraining, Side::kProxy, "cut: its time to finish is over");
}

class Connection {
 public:
  virtual ~Connection() = default;

  // Makes the head ready to be sent.
  virtual void PrepareRequest(const message::RequestHead& request,
                              const message::ForwardedRequest& forwarded) = 0;
  // Sends it and what there is of the body already, as far as the socket takes them at once. False:
  // SendRest sends what is left of them, while the answer may be read already. On an error `sent`
  // tells whether the backend can have seen any of it.
  virtual Result<bool> SendRequest(const message::BodyPiece& first) = 0;
  virtual net::Awaitable<Result<void>> SendRest() = 0;
  virtual net::Awaitable<Result<void>> SendBody(message::BodyPiece piece) = 0;

  // The next head, interim ones (1xx) included. Checked against `request`.
  virtual net::Awaitable<Result<void>> ReadHead(const message::RequestHead& request,
                                                TimePoint deadline,
                                                message::ResponseHead& head) = 0;
  // The part of the body that came with the head, and what there is behind it already.
  virtual Result<message::BodyPiece> BufferedBody() = 0;
  virtual net::Awaitable<Result<message::BodyPiece>> ReadBody() = 0;

  // After a 101: SendBody and ReadBody carry bytes as they are; an `end` is a half-close.
  virtual void StartTunnel(Duration idle) = 0;

  // Not the first request on it: the backend may have closed it while it was idle.
  virtual bool reused() const = 0;
  // The exchange is over. True if both messages ended exactly where they said, so that another
  // request may follow.
  virtual bool Finish() = 0;
  // Ends all pending operations.
  virtual void Close() = 0;
};

}  // namespace remora::proxy::upstream
