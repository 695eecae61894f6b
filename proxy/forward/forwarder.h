// The control flow of a request: pick a backend, get a connection, send the head, relay the bodies
// both ways at once, then finish, try elsewhere, or answer from the one error table.
//
// One forwarder a worker and pool. Threads: the worker's. Lifetime: outlives every Forward; all
// that it is made with outlives it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "proxy/balance/least_active.h"
#include "proxy/base/settings.h"
#include "proxy/forward/exchange.h"
#include "proxy/forward/retry_policy.h"
#include "proxy/net/loop.h"
#include "proxy/observe/limit_hits.h"
#include "proxy/observe/reporter.h"
#include "proxy/observe/request_record.h"
#include "proxy/registry/backend_set.h"
#include "proxy/upstream/pool.h"

namespace remora::proxy {

class Forwarder {
 public:
  // `current` gives the newest published set of the pool; it is valid until the next call.
  using CurrentSet = std::function<const BackendSet&()>;

  // `via_name`: what Via calls this process.
  Forwarder(net::Loop& loop, upstream::Pool& connections, LimitHits& hits, Reporter& reporter,
            const PoolSettings& settings, std::string_view via_name, CurrentSet current);

  // Serves one exchange to its end. Always answers, unless the client has left. `read`: when its
  // head was complete, which is a moment ago. What became of it is noted in `record`.
  net::Awaitable<> Forward(Exchange& exchange, TimePoint read, RequestRecord& record);

 private:
  // What is kept from one try to the next.
  struct Progress final : upstream::Pool::CutObserver {
    Progress(Exchange& its_exchange, RequestRecord& its_record, TimePoint its_read)
        : exchange(its_exchange), record(its_record), read(its_read) {}
    void OnCut() override;
    Exchange& exchange;
    RequestRecord& record;
    const TimePoint read;
    message::BodyPiece first;          // the part of the body that came with the head
    const Backend* backend = nullptr;  // of the try that is under way
    upstream::Pool::Backends failed;
    // Its kept connection was closed, which says nothing about the backend.
    const Backend* stale = nullptr;
    std::optional<ProxyError> last_error;
    bool replayable = true;
    bool answering = false;  // the final head is on its way to the client
    bool hinting = false;    // an interim head is on its way to the client
    bool cut = false;
    bool reused = false;
    TimePoint picked;     // of the try that is under way
    TimePoint connected;  // likewise; the epoch before that
  };
  struct Upload;
  struct Tunnel;

  Result<ActiveRequest> Pick(const Progress& progress);
  static void NotePick(const Backend& backend, Progress& progress);
  void NoteAnswer(Progress& progress);
  net::Awaitable<Result<void>> TryOnce(Exchange& exchange, Progress& progress);
  message::ForwardedRequest ForwardedTo(const Backend& backend, const Exchange& exchange) const;
  net::Awaitable<Result<void>> RelayBoth(Exchange& exchange, upstream::Connection& connection,
                                         bool first_is_sent, Progress& progress);
  net::Awaitable<Result<void>> RelayAnswer(Exchange& exchange, upstream::Connection& connection,
                                           Upload* upload, Progress& progress);
  TimePoint HeadDeadline(TimePoint sent) const { return sent + settings_.timeouts.response_head; }
  net::Awaitable<Result<void>> RelayInterim(Exchange& exchange, const message::ResponseHead& head,
                                            std::uint32_t number, Upload* upload,
                                            Progress& progress);
  net::Awaitable<Result<void>> RunTunnel(Exchange& exchange, upstream::Connection& connection);
  net::Awaitable<> RelayUpload(Exchange& exchange, upstream::Connection& connection,
                               Upload& upload);
  // Runs `work` beside the caller, which waits for upload.done before it returns.
  void Start(net::Awaitable<> work, Upload& upload);
  net::Awaitable<> Conclude(Exchange& exchange, Progress& progress, const ProxyError& error);

  net::Loop& loop_;
  upstream::Pool& connections_;
  LimitHits& hits_;
  Reporter& reporter_;
  const PoolSettings& settings_;
  const std::string_view via_name_;
  CurrentSet current_;
  LeastActive balancer_;
  // The head of the answer that is passed on just now, for whichever request: valid from the end of
  // ReadHead to the next co_await. What is needed later is copied before. So the caches hold one of
  // them, not one for each request under way.
  message::ResponseHead answer_head_;
};

}  // namespace remora::proxy
