// HTTP/1 towards a backend. See connection.h for the rules.
#pragma once

#include <memory>
#include <string>

#include "proxy/base/settings.h"
#include "proxy/http1/channel.h"
#include "proxy/upstream/connection.h"

namespace remora::proxy::upstream {

class Http1Connection final : public Connection {
 public:
  // `settings` outlives the connection.
  Http1Connection(net::Loop& loop, std::unique_ptr<net::Stream> stream,
                  const PoolSettings& settings);

  void PrepareRequest(const message::RequestHead& request,
                      const message::ForwardedRequest& forwarded) override;
  Result<bool> SendRequest(const message::BodyPiece& first) override;
  net::Awaitable<Result<void>> SendRest() override;
  net::Awaitable<Result<void>> SendBody(message::BodyPiece piece) override;
  net::Awaitable<Result<void>> ReadHead(const message::RequestHead& request, TimePoint deadline,
                                        message::ResponseHead& head) override;
  Result<message::BodyPiece> BufferedBody() override { return channel_.BufferedBody(); }
  net::Awaitable<Result<message::BodyPiece>> ReadBody() override;
  void StartTunnel(Duration idle) override;
  bool reused() const override { return requests_ > 1; }
  bool Finish() override;
  void Close() override { channel_.stream().Close(); }

  // Closes it because its time is over (a drain deadline, the end of the process): what fails then
  // is not the backend's failure and must not be tried elsewhere.
  void Cut() {
    cut_ = true;
    Close();
  }

  // An idle connection that is closed, broken or talks out of turn must not be used.
  // `certain`: the kernel is asked, as what it has may be newer than what the loop knows.
  bool Usable(bool certain) {
    return certain ? !channel_.stream().HasNews() : !channel_.stream().HadNews();
  }

  // While it is idle: nothing is held for the next request.
  void ReleaseMemory() { std::string().swap(head_); }

 private:
  // An error that our own Cut has caused says so.
  template <class T>
  Result<T> Explain(Result<T> result) const {
    if (result || !cut_) return result;
    return CutError();
  }

  const PoolSettings& settings_;
  http1::Channel channel_;
  Duration read_timeout_;
  std::string head_;  // outgoing, reused
  std::uint32_t requests_ = 0;
  bool sent_all_ = false;
  bool first_ends_ = false;  // what SendRequest was given is the whole body
  bool answered_ = false;    // a final head was read
  bool keep_alive_ = false;
  bool tunnel_ = false;
  bool cut_ = false;
};

}  // namespace remora::proxy::upstream
