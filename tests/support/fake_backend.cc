#include "tests/support/fake_backend.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace remora::proxy::testing {

void Gate::Open() {
  const std::lock_guard lock(mu_);
  open_ = true;
  changed_.notify_all();
}

bool Gate::Wait() {
  std::unique_lock lock(mu_);
  return changed_.wait_for(lock, kPatience, [this] { return open_; });
}

FakeBackend::FakeBackend(Script script) : script_(std::move(script)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, generic, size) != 0 || listen(listener_, 1024) != 0 ||
      getsockname(listener_, generic, &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FakeBackend::~FakeBackend() {
  StopListening();
  Release();
  {
    const std::lock_guard lock(mu_);
    for (const auto& [index, fd] : open_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
}

void FakeBackend::StopListening() {
  {
    const std::lock_guard lock(mu_);
    if (std::exchange(stopping_, true)) return;
  }
  shutdown(listener_, SHUT_RDWR);  // ends a pending accept
  acceptor_.join();
  close(listener_);
}

void FakeBackend::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mu_);
    if (fd < 0 || stopping_) {
      if (fd >= 0) close(fd);
      return;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const std::size_t index = threads_.size();
    open_[index] = fd;
    threads_.emplace_back([this, index, fd] { Run(index, Peer(fd)); });
    changed_.notify_all();
  }
}

void FakeBackend::Run(std::size_t index, Peer peer) {
  script_(peer, *this);
  const std::lock_guard lock(mu_);
  open_.erase(index);
  // Under the lock, so that the destructor never meets the descriptor's number in another's hands.
  peer.Close();
  changed_.notify_all();
}

FakeBackend::Script FakeBackend::Serve(Answer answer) {
  return [answer = std::move(answer)](Peer& peer, FakeBackend& self) {
    for (;;) {
      Message request = peer.ReadRequest();
      if (!request.complete) return;
      const std::string bytes = answer(request);
      self.Record(std::move(request));
      if (!peer.Send(bytes) || bytes.find("Connection: close") != std::string::npos) return;
    }
  };
}

FakeBackend::Script FakeBackend::Hold(Answer answer) {
  return [answer = std::move(answer)](Peer& peer, FakeBackend& self) {
    for (;;) {
      Message request = peer.ReadRequest();
      if (!request.complete) return;
      const std::string bytes = answer(request);
      self.Record(std::move(request));
      if (!self.WaitForRelease() || !peer.Send(bytes)) return;
    }
  };
}

std::string FakeBackend::Ok(std::string_view body, std::string_view fields) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

FakeBackend::Answer FakeBackend::Always(std::string answer) {
  return [answer = std::move(answer)](const Message&) { return answer; };
}

void FakeBackend::Record(Message request) {
  const std::lock_guard lock(mu_);
  requests_.push_back(std::move(request));
  changed_.notify_all();
}

std::vector<Message> FakeBackend::requests() const {
  const std::lock_guard lock(mu_);
  return requests_;
}

std::size_t FakeBackend::request_count() const {
  const std::lock_guard lock(mu_);
  return requests_.size();
}

std::size_t FakeBackend::connections() const {
  const std::lock_guard lock(mu_);
  return threads_.size();
}

std::size_t FakeBackend::open_connections() const {
  const std::lock_guard lock(mu_);
  return open_.size();
}

bool FakeBackend::WaitForRequests(std::size_t count) const {
  std::unique_lock lock(mu_);
  return changed_.wait_for(lock, kPatience, [&] { return requests_.size() >= count; });
}

bool FakeBackend::WaitForOpen(std::size_t open) const {
  std::unique_lock lock(mu_);
  return changed_.wait_for(lock, kPatience, [&] { return open_.size() == open; });
}

}  // namespace remora::proxy::testing
