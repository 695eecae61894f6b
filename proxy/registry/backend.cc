#include "proxy/registry/backend.h"

#include <utility>

namespace remora::proxy {

Backend::Backend(std::string pool, std::string id, std::string uid, BackendUrl url,
                 BackendEvents* events, std::shared_ptr<ServerCounters> counters)
    : pool_(std::move(pool)),
      id_(std::move(id)),
      uid_(std::move(uid)),
      url_(std::move(url)),
      authority_(url_.Authority()),
      events_(events),
      counters_(std::move(counters)) {
  Addresses addresses;
  const auto literal = url_.is_unix() ? SocketAddress::FromUnixPath(url_.unix_path)
                                      : SocketAddress::FromIp(url_.host, url_.port);
  if (literal) {
    addresses.push_back(*literal);
  } else {
    needs_resolving_ = true;
  }
  absl::MutexLock lock(&mu_);
  addresses_ = std::make_shared<const Addresses>(std::move(addresses));
}

std::shared_ptr<const Backend::Addresses> Backend::addresses() const {
  absl::MutexLock lock(&mu_);
  return addresses_;
}

void Backend::SetAddresses(Addresses addresses) {
  auto next = std::make_shared<const Addresses>(std::move(addresses));
  absl::MutexLock lock(&mu_);
  addresses_ = std::move(next);
  addresses_generation_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace remora::proxy
