// One Service of Kubernetes: lists and watches its EndpointSlices over HTTPS, for ever.
//
// One connection at a time, made again when it ends; the token and the certificates are read anew
// with each. The server's certificate is always checked.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "cli/discovery/backoff.h"
#include "cli/discovery/kubernetes_access.h"
#include "cli/discovery/settings.h"
#include "cli/discovery/slices.h"
#include "cli/discovery/source.h"
#include "cli/discovery/watch.h"

namespace remora::cli::discovery {

class KubernetesSource final : public Source {
 public:
  KubernetesSource(boost::asio::io_context& io, KubernetesAccess access, const ServiceName& service,
                   SliceRules rules, std::chrono::seconds resync, std::uint32_t seed,
                   SourceReport report);
  ~KubernetesSource() override;

  void Start() override;
  void Stop() override;
  std::uint64_t relists() const override;

 private:
  class Connection;
  using Result = std::expected<void, std::string>;

  boost::asio::awaitable<void> Run();
  // One connection, from its begin to its end, which is always a reason.
  boost::asio::awaitable<Result> Session();
  // One list or watch on it.
  boost::asio::awaitable<Result> Ask(Connection& connection);
  // Tells what was found if it changed.
  Result Tell();

  boost::asio::io_context& io_;
  const KubernetesAccess access_;
  const SliceRules rules_;
  const SourceReport report_;
  SliceWatch watch_;
  Backoff backoff_;
  boost::asio::steady_timer pause_;
  boost::asio::cancellation_signal stop_;
  std::uint64_t told_ = 0;  // the generation of slices that was reported
  bool in_vain_ = false;    // the last watch ended at once, without an event
  bool stopped_ = false;
};

}  // namespace remora::cli::discovery
