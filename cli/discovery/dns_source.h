// One name in DNS: a host's addresses, or the hosts and ports of SRV records. It is asked again
// when its time has passed. A name that can't be looked up, or that is not there any more, changes
// nothing.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "cli/discovery/backoff.h"
#include "cli/discovery/dns_lookup.h"
#include "cli/discovery/settings.h"
#include "cli/discovery/source.h"

namespace remora::cli::discovery {

// How long an answer counts: its TTL, at least a second and at most `longest`.
std::chrono::milliseconds TimeOf(std::uint32_t ttl_s, std::chrono::milliseconds longest);

class DnsSource final : public Source {
 public:
  struct Settings {
    std::string server = {};  // ip:port; empty: those of resolv.conf
    Shape shape = {};
    std::chrono::milliseconds resync{std::chrono::minutes(5)};
    std::uint32_t seed = 1;
  };

  // The addresses of a host.
  DnsSource(boost::asio::io_context& io, HostPort host, Settings settings, SourceReport report);
  // What SRV records say.
  DnsSource(boost::asio::io_context& io, std::string service, Settings settings,
            SourceReport report);

  void Start() override { Ask(); }
  void Stop() override;

 private:
  void Ask();
  void Answered(ServerSet servers, std::uint32_t ttl_s);
  void Failed(const std::string& cause);
  void AskAfter(std::chrono::milliseconds time);

  boost::asio::io_context& io_;
  const HostPort host_;  // its name is empty where `service_` is meant
  const std::string service_;
  const Settings settings_;
  const SourceReport report_;
  Backoff backoff_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<DnsLookup> lookup_;
  bool stopped_ = false;
};

}  // namespace remora::cli::discovery
