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

Awaitable<ProbeResult> AskHttp(net::Loop& loop, std::unique_ptr<net::Stream> stream,
                               const Backend& backend, const HealthCheckSettings& settings,
                               TimePoint deadline) {
  http1::Channel channel(loop, std::move(stream), Side::kUpstream);
  const std::string request = "GET " + backend.url().prefix + settings.path +
                              " HTTP/1.1\r\nHost: " + backend.authority() +
                              "\r\nUser-Agent: remora-probe\r\nConnection: close\r\n\r\n";
  const auto sent = co_await channel.Write(request, {}, deadline - Clock::now());
  if (!sent) co_return ProbeResult{.passed = false, .reason = std::string(sent.error().detail)};
  message::ResponseHead head;
  do {
    const auto read = co_await channel.ReadHead(kProbeLimits, deadline, head);
    if (!read) co_return ProbeResult{.passed = false, .reason = std::string(read.error().detail)};
  } while (head.is_interim());
  co_return ProbeResult{.passed = StatusPasses(settings.probe, head.status),
                        .reason = "HTTP " + std::to_string(head.status)};
}

}  // namespace

Awaitable<ProbeResult> Probe(net::Loop& loop, const Backend& backend,
                             const HealthCheckSettings& settings) {
  if (settings.probe == ProbeKind::kNone)
    co_return ProbeResult{.passed = true, .reason = "no probe"};
  const TimePoint deadline = Clock::now() + settings.timeout;
  const auto addresses = backend.addresses();
  net::error_code error;
  for (const SocketAddress& address : *addresses) {
    auto stream = co_await net::Stream::Connect(loop, address, deadline - Clock::now());
    if (!stream) {
      error = stream.error();
      continue;
    }
    if (settings.probe == ProbeKind::kTcp) {
      co_return ProbeResult{.passed = true, .reason = "connected"};
    }
    co_return co_await AskHttp(loop, std::move(*stream), backend, settings, deadline);
  }
  co_return ProbeResult{.passed = false, .reason = "connect: " + error.message()};
}

bool StatusPasses(ProbeKind kind, unsigned status) {
  if (status >= 200 && status < 400) return true;
  // It answers, it just has no such endpoint.
  return kind == ProbeKind::kAuto && (status == 404 || status == 405 || status == 501);
}

}  // namespace remora::proxy
