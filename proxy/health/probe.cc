#include "proxy/health/probe.h"

#include <memory>
#include <string>
#include <utility>

#include "proxy/http1/channel.h"
#include "proxy/message/head.h"
#include "proxy/net/stream.h"

namespace remora::proxy {

using net::Awaitable;

namespace {

constexpr message::HeadLimits kProbeLimits{.head_bytes = 16 * 1024, .head_fields = 100};

ProbeResult Failed(std::string_view reason) {
  return {.verdict = ProbeVerdict::kFailed, .reason = std::string(reason)};
}

Awaitable<ProbeResult> AskHttp(net::Loop& loop, std::unique_ptr<net::Stream> stream,
                               const Backend& backend, const PoolSettings& pool,
                               TimePoint deadline) {
  http1::Channel channel(loop, std::move(stream), Side::kUpstream);
  const std::string request = "GET " + backend.url().prefix + pool.health_check.path +
                              " HTTP/1.1\r\nHost: " + backend.authority() +
                              "\r\nUser-Agent: remora-probe\r\nConnection: close\r\n\r\n";
  const auto sent = co_await channel.Write(request, {}, deadline - Clock::now());
  if (!sent) co_return Failed(sent.error().detail);
  message::ResponseHead head;
  for (std::uint32_t interim = 0;; ++interim) {
    channel.BeginHead();
    const auto read = co_await channel.ReadHead(kProbeLimits, deadline, head);
    if (!read) co_return Failed(read.error().detail);
    if (!head.is_interim()) break;
    if (interim == pool.limits.interim_responses) {
      co_return Failed("more interim answers than interim_responses");
    }
    // A read that has no need to wait meets no deadline.
    if (Clock::now() >= deadline) co_return Failed("the backend was too slow");
  }
  const bool passed = StatusPasses(pool.health_check.probe, head.status);
  co_return ProbeResult{.verdict = passed ? ProbeVerdict::kPassed : ProbeVerdict::kFailed,
                        .reason = "HTTP " + std::to_string(head.status)};
}

}  // namespace

Awaitable<ProbeResult> Probe(net::Loop& loop, const Backend& backend, const PoolSettings& pool,
                             std::size_t start) {
  const HealthCheckSettings& settings = pool.health_check;
  if (settings.probe == ProbeKind::kNone) {
    co_return ProbeResult{.verdict = ProbeVerdict::kPassed, .reason = "no probe"};
  }
  const TimePoint deadline = Clock::now() + settings.timeout;
  auto stream = co_await net::Stream::ConnectAny(loop, backend.addresses(), start, deadline);
  if (!stream) {
    const bool ours = net::IsLocalShortage(stream.error());
    co_return ProbeResult{.verdict = ours ? ProbeVerdict::kNone : ProbeVerdict::kFailed,
                          .reason = "connect: " + stream.error().message(),
                          .connect_failed = !ours};
  }
  if (settings.probe == ProbeKind::kTcp) {
    co_return ProbeResult{.verdict = ProbeVerdict::kPassed, .reason = "connected"};
  }
  co_return co_await AskHttp(loop, std::move(*stream), backend, pool, deadline);
}

bool StatusPasses(ProbeKind kind, unsigned status) {
  if (status >= 200 && status < 400) return true;
  // It answers, it just has no such endpoint.
  return kind == ProbeKind::kAuto && (status == 404 || status == 405 || status == 501);
}

}  // namespace remora::proxy
