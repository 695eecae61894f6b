#include "cli/discovery/dns_source.h"

#include <algorithm>
#include <utility>

namespace remora::cli::discovery {
namespace {

constexpr std::chrono::milliseconds kFirstRetry{1000};
constexpr std::chrono::milliseconds kLongestRetry{15'000};

ServerSet ServersOf(const AddressAnswer& answer, std::uint16_t port, const Shape& shape) {
  ServerSet servers;
  for (const std::string& address : answer.addresses) {
    Endpoint endpoint{.url = UrlFor(shape, address, port)};
    const ServerKey key{.pool = shape.pool, .id = IdFor(endpoint.url)};
    servers.emplace(key, std::move(endpoint));
  }
  return servers;
}

}  // namespace

std::chrono::milliseconds TimeOf(std::uint32_t ttl_s, std::chrono::milliseconds longest) {
  const std::chrono::milliseconds ttl = std::chrono::seconds(ttl_s);
  return std::max(std::min(ttl, longest), std::chrono::milliseconds(1000));
}

DnsSource::DnsSource(boost::asio::io_context& io, HostPort host, Settings settings,
                     SourceReport report)
    : io_(io),
      host_(std::move(host)),
      settings_(std::move(settings)),
      report_(std::move(report)),
      backoff_(kFirstRetry, kLongestRetry, settings_.seed),
      timer_(io) {}

DnsSource::DnsSource(boost::asio::io_context& io, std::string service, Settings settings,
                     SourceReport report)
    : io_(io),
      service_(std::move(service)),
      settings_(std::move(settings)),
      report_(std::move(report)),
      backoff_(kFirstRetry, kLongestRetry, settings_.seed),
      timer_(io) {}

void DnsSource::Stop() {
  stopped_ = true;
  timer_.cancel();
  lookup_.reset();
}

void DnsSource::Ask() {
  lookup_ = std::make_unique<DnsLookup>(io_, settings_.server);
  if (!host_.host.empty()) {
    lookup_->Addresses(host_.host, [this](std::expected<AddressAnswer, std::string> answer) {
      if (!answer) return Failed(answer.error());
      Answered(ServersOf(*answer, host_.port, settings_.shape), answer->ttl_s);
    });
  } else {
    lookup_->Services(service_, [this](std::expected<SrvAnswer, std::string> answer) {
      if (!answer) return Failed(answer.error());
      Answered(discovery::ServersOf(answer->records, settings_.shape), answer->ttl_s);
    });
  }
}

void DnsSource::Answered(ServerSet servers, std::uint32_t ttl_s) {
  backoff_.Reset();
  AskAfter(TimeOf(ttl_s, settings_.resync));
  report_.found(std::move(servers));  // may stop this
}

void DnsSource::Failed(const std::string& cause) {
  AskAfter(std::max(backoff_.Next(), std::chrono::milliseconds(100)));
  report_.away(cause);
}

void DnsSource::AskAfter(std::chrono::milliseconds time) {
  if (stopped_) return;
  timer_.expires_after(time);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error && !stopped_) Ask();
  });
}

}  // namespace remora::cli::discovery
