#include "proxy/net/name_lookup.h"

#include <netdb.h>

#include <deque>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace remora::proxy::net {
namespace {

struct Job {
  std::string host;
  std::uint16_t port = 0;
  NameLookup::Done done;
};

NameLookup::Result LookUp(const Job& job) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(job.port);
  if (const int error = getaddrinfo(job.host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return std::unexpected(std::string(gai_strerror(error)));
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    addresses.emplace_back(entry->ai_addr, entry->ai_addrlen);
  }
  freeaddrinfo(found);
  return addresses;
}

}  // namespace

struct NameLookup::Shared {
  absl::Mutex mu;
  std::deque<Job> queue ABSL_GUARDED_BY(mu);
  std::size_t threads ABSL_GUARDED_BY(mu) = 0;
  bool ended ABSL_GUARDED_BY(mu) = false;
};

NameLookup::NameLookup(std::size_t max_threads)
    : max_threads_(max_threads), shared_(std::make_shared<Shared>()) {}

NameLookup::~NameLookup() {
  std::deque<Job> dropped;
  absl::MutexLock lock(&shared_->mu);
  shared_->ended = true;
  dropped.swap(shared_->queue);
}

void NameLookup::Start(std::string host, std::uint16_t port, Done done) {
  std::string failure;
  {
    absl::MutexLock lock(&shared_->mu);
    shared_->queue.push_back({.host = std::move(host), .port = port, .done = std::move(done)});
    if (shared_->threads == max_threads_) return;
    try {
      std::thread(Work, shared_).detach();  // see the header: it can't be joined without waiting
      ++shared_->threads;
      return;
    } catch (const std::system_error& error) {
      // At the limit of processes. Where another thread works, it comes to this job too.
      if (shared_->threads != 0) return;
      failure = "no thread for it: " + error.code().message();
    }
    done = std::move(shared_->queue.back().done);
    shared_->queue.pop_back();
  }
  done(std::unexpected(failure));
}

// Ends when nothing is left to do: names are asked for every 30 s, threads would be idle meanwhile.
void NameLookup::Work(std::shared_ptr<Shared> shared) {
  for (;;) {
    Job job;
    {
      absl::MutexLock lock(&shared->mu);
      if (shared->queue.empty()) {
        --shared->threads;
        return;
      }
      job = std::move(shared->queue.front());
      shared->queue.pop_front();
    }
    Result result = LookUp(job);
    // Under the lock, so that it is not called once the destructor has returned.
    absl::MutexLock lock(&shared->mu);
    if (!shared->ended) job.done(std::move(result));
  }
}

}  // namespace remora::proxy::net
