// One HTTP/1 request of a client and its answer. See forward/exchange.h for the rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/http_date.h"
#include "proxy/base/settings.h"
#include "proxy/forward/exchange.h"
#include "proxy/http1/channel.h"

namespace remora::proxy {

class Http1Exchange final : public Exchange {
 public:
  struct Facts {
    std::string_view client_ip;
    std::string* head;  // room for what is written; the session's, so that it is made once
    std::string_view request_id;
    Direction direction;  // of the listener
    HttpDateCache* date;
    const bool* draining;  // read when the head of the answer is written
    bool last_request;     // of the connection: it may serve no more
    const PoolSettings* settings;
  };
  // `channel`, `request` and what `facts` points to outlive the exchange. The body follows in
  // `channel`.
  Http1Exchange(http1::Channel& channel, const message::RequestHead& request, const Facts& facts);

  const message::RequestHead& request() const override { return request_; }
  std::string_view request_id() const override { return facts_.request_id; }
  std::string_view client_ip() const override { return facts_.client_ip; }
  Direction direction() const override { return facts_.direction; }

  Result<message::BodyPiece> BufferedBody() override;
  void ForgetBody() override { channel_.ForgetBody(); }
  net::Awaitable<Result<message::BodyPiece>> ReadBody() override;
  void StopReading() override;

  net::Awaitable<Result<void>> SendInterim(const message::ResponseHead& head) override;
  void PrepareHead(const message::ResponseHead& head) override;
  Result<bool> SendHead(message::BodyPiece first) override;
  net::Awaitable<Result<void>> SendRest() override;
  net::Awaitable<Result<void>> SendBody(message::BodyPiece piece) override;
  net::Awaitable<Result<void>> SendError(const ProxyError& error) override;

  // The whole answer to an OPTIONS request whose Max-Forwards is 0.
  net::Awaitable<Result<void>> SendOptionsAnswer();

  void StartTunnel(Duration idle) override;
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return bytes_out_; }
  void Abort() override;

  // After the forwarder is done: may another request follow on the connection?
  bool MayContinue() const;
  // The client may not know yet that nothing more will be read (see Http1Session's lingering).
  bool sent_answer() const { return sent_answer_; }

 private:
  bool MustClose() const;
  void NoteFirstSent();

  http1::Channel& channel_;
  const message::RequestHead& request_;
  const Facts facts_;
  Duration read_timeout_;
  std::string& head_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  bool close_ = false;
  std::size_t first_bytes_ = 0;  // of the body, sent with the head
  bool first_ends_ = false;      // they are all of it
  bool sent_answer_ = false;     // completely
  bool tunnel_ = false;
};

}  // namespace remora::proxy
