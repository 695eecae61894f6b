// How many calls of each RPC ended with each status code.
//
// Thread-safe. A value that lives with the service.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace remora::server {

class CallCounts {
 public:
  // By RPC and code, as they are called in the proto and by gRPC: ("AddServer", "ALREADY_EXISTS").
  using Map = std::map<std::pair<std::string, std::string>, std::uint64_t>;

  void Add(std::string_view rpc, grpc::StatusCode code) ABSL_LOCKS_EXCLUDED(mu_) {
    // The codes of gRPC and of Abseil are the same numbers.
    const auto same = static_cast<absl::StatusCode>(code);
    absl::MutexLock lock(&mu_);
    ++counts_[{std::string(rpc), absl::StatusCodeToString(same)}];
  }

  Map Get() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return counts_;
  }

 private:
  mutable absl::Mutex mu_;
  Map counts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace remora::server
