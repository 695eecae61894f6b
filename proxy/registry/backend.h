// One backend as the data plane sees it: identity, address, and the admission word that all workers
// share.
//
// Thread-safe. Lifetime: the registry, published sets and the workers' pools hold it by shared_ptr.
// A running request holds only a pointer: the registry keeps a removed backend until its `active`
// is 0, and the request that takes it there says so (BackendEvents::OnDrained) as its last act.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proxy/base/socket_address.h"
#include "proxy/observe/server_counters.h"
#include "proxy/registry/backend_url.h"

namespace remora::proxy {

// {closed:1, suspended:1, active:30}. From the compare-and-swap in TryAdmit follow, for any number
// of threads and without a lock: a pick takes a load that it saw, max_active is never exceeded, and
// after Close or Suspend has returned nothing is admitted, whatever snapshot a worker still holds.
// Close is for ever and makes the last Release say so. Suspend may be taken back, so the last
// Release under it says nothing: a backend that may be used again has no end to report, and a late
// report could be taken for that of a later Close.
class AdmissionWord {
 public:
  // What a scan saw; only valid for TryAdmit.
  struct Seen {
    std::uint32_t word;
    bool closed() const { return (word & (kClosed | kSuspended)) != 0; }
    std::uint32_t active() const { return word & kActive; }
  };

  Seen Load() const { return Seen{word_.load(std::memory_order_relaxed)}; }

  // Counts one request; false when the word has moved since `seen`. Requires !seen.closed().
  bool TryAdmit(Seen seen) {
    return word_.compare_exchange_strong(seen.word, seen.word + 1, std::memory_order_acq_rel,
                                         std::memory_order_relaxed);
  }

  // Ends one request. True for the call that took `active` to 0 after Close; exactly one does.
  bool Release() {
    const std::uint32_t before = word_.fetch_sub(1, std::memory_order_acq_rel);
    return (before & ~kSuspended) == (kClosed | 1);
  }

  // Nothing is admitted after this has returned, for ever. Returns the requests that run.
  std::uint32_t Close() { return word_.fetch_or(kClosed, std::memory_order_acq_rel) & kActive; }

  // Nothing is admitted after this has returned, until Resume.
  void Suspend() { word_.fetch_or(kSuspended, std::memory_order_acq_rel); }
  void Resume() { word_.fetch_and(~kSuspended, std::memory_order_acq_rel); }

 private:
  static constexpr std::uint32_t kClosed = std::uint32_t{1} << 31;
  static constexpr std::uint32_t kSuspended = std::uint32_t{1} << 30;
  static constexpr std::uint32_t kActive = kSuspended - 1;
  // Its own cache line: workers write it on each request.
  alignas(64) std::atomic<std::uint32_t> word_ = 0;
};

class Backend;

// What the data plane tells the control thread about a backend. Called on any thread; must not
// block. Outlives all backends.
class BackendEvents {
 public:
  virtual ~BackendEvents() = default;
  // The last running request of a removed backend has ended.
  virtual void OnDrained(const Backend& backend) = 0;
  // No connection could be made: it may be gone, or its name may have moved.
  virtual void OnConnectFailed(const Backend& backend) = 0;
};

class Backend {
 public:
  using Addresses = std::vector<SocketAddress>;

  // Addresses that need no look-up (IP literal, unix socket) are there from the start.
  // `counters` may be null: nothing is counted.
  Backend(std::string pool, std::string id, std::string uid, BackendUrl url, BackendEvents* events,
          std::shared_ptr<ServerCounters> counters = nullptr);

  const std::string& pool() const { return pool_; }
  const std::string& id() const { return id_; }
  const std::string& uid() const { return uid_; }
  const BackendUrl& url() const { return url_; }
  // url().Authority(), kept because each request with `host_header: backend` needs it.
  const std::string& authority() const { return authority_; }
  bool needs_resolving() const { return needs_resolving_; }

  AdmissionWord& admission() { return admission_; }
  const AdmissionWord& admission() const { return admission_; }

  const std::shared_ptr<ServerCounters>& counters() const { return counters_; }

  // Never null; empty while a name has not been resolved.
  std::shared_ptr<const Addresses> addresses() const ABSL_LOCKS_EXCLUDED(mu_);
  void SetAddresses(Addresses addresses) ABSL_LOCKS_EXCLUDED(mu_);
  // Moves with each SetAddresses: connections made before that may lead to where it no longer is.
  std::uint32_t addresses_generation() const {
    return addresses_generation_.load(std::memory_order_relaxed);
  }

  // Told on once until ResetConnectFailed (each probe does that), however many requests meet it.
  void ReportConnectFailed() {
    if (!connect_failed_.exchange(true)) events_->OnConnectFailed(*this);
  }
  void ResetConnectFailed() { connect_failed_ = false; }
  // Ends one admitted request; the caller must not touch the backend afterwards.
  void Release() {
    if (admission_.Release()) events_->OnDrained(*this);
  }

 private:
  const std::string pool_;
  const std::string id_;
  const std::string uid_;
  const BackendUrl url_;
  const std::string authority_;
  bool needs_resolving_ = false;
  BackendEvents* const events_;
  const std::shared_ptr<ServerCounters> counters_;
  std::atomic<bool> connect_failed_ = false;
  std::atomic<std::uint32_t> addresses_generation_ = 0;
  AdmissionWord admission_;
  mutable absl::Mutex mu_;
  std::shared_ptr<const Addresses> addresses_ ABSL_GUARDED_BY(mu_);
};

// One admitted request: counted from the pick until this is destroyed.
class ActiveRequest {
 public:
  ActiveRequest() = default;
  // Takes over an admission that TryAdmit has counted.
  explicit ActiveRequest(Backend& backend) : backend_(&backend) {}
  ActiveRequest(ActiveRequest&& other) noexcept
      : backend_(std::exchange(other.backend_, nullptr)) {}
  ActiveRequest& operator=(ActiveRequest&& other) noexcept {
    if (this != &other) {
      Reset();
      backend_ = std::exchange(other.backend_, nullptr);
    }
    return *this;
  }
  ~ActiveRequest() { Reset(); }

  Backend* backend() const { return backend_; }
  void Reset() {
    if (backend_ != nullptr) std::exchange(backend_, nullptr)->Release();
  }

 private:
  Backend* backend_ = nullptr;
};

}  // namespace remora::proxy
