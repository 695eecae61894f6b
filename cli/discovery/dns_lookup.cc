#include "cli/discovery/dns_lookup.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <chrono>
#include <limits>
#include <utility>

namespace remora::cli::discovery {
namespace {

namespace asio = boost::asio;

// Three tries of 2, 4 and 8 s on each server.
constexpr int kFirstTimeoutMs = 2000;
constexpr int kTries = 3;

std::string Reason(int status) { return ares_strerror(status); }

AddressAnswer Taken(const ares_addrinfo& result) {
  AddressAnswer answer{.addresses = {}, .ttl_s = std::numeric_limits<std::uint32_t>::max()};
  for (const ares_addrinfo_node* node = result.nodes; node != nullptr; node = node->ai_next) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* address = node->ai_family == AF_INET
                              ? static_cast<const void*>(
                                    &reinterpret_cast<const sockaddr_in*>(node->ai_addr)->sin_addr)
                              : &reinterpret_cast<const sockaddr_in6*>(node->ai_addr)->sin6_addr;
    if (::inet_ntop(node->ai_family, address, text.data(), text.size()) == nullptr) continue;
    answer.addresses.emplace_back(text.data());
    answer.ttl_s = std::min(answer.ttl_s, static_cast<std::uint32_t>(std::max(node->ai_ttl, 0)));
  }
  for (const ares_addrinfo_cname* one = result.cnames; one != nullptr; one = one->next) {
    answer.ttl_s = std::min(answer.ttl_s, static_cast<std::uint32_t>(std::max(one->ttl, 0)));
  }
  return answer;
}

}  // namespace

DnsLookup::DnsLookup(asio::io_context& io, const std::string& server) : io_(io), timer_(io) {
  ares_options options{};
  options.timeout = kFirstTimeoutMs;
  options.tries = kTries;
  options.sock_state_cb = [](void* self, ares_socket_t fd, int read, int write) {
    static_cast<DnsLookup*>(self)->OnSocket(fd, read != 0, write != 0);
  };
  options.sock_state_cb_data = this;
  int status = ares_init_options(&channel_, &options,
                                 ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS) channel_ = nullptr;
  if (status == ARES_SUCCESS && !server.empty()) {
    status = ares_set_servers_ports_csv(channel_, server.c_str());
  }
  if (status != ARES_SUCCESS) failure_ = Reason(status);
}

DnsLookup::~DnsLookup() {
  *gone_ = true;
  // Its callbacks come now, and see that this is gone.
  if (channel_ != nullptr) ares_destroy(channel_);
}

void DnsLookup::Addresses(const std::string& name, Done<AddressAnswer> done) {
  name_ = name;
  addresses_done_ = std::move(done);
  if (!failure_.empty()) {
    return Finish([this] { addresses_done_(std::unexpected(failure_)); });
  }
  AskAddresses(AF_INET);
}

void DnsLookup::AskAddresses(int family) {
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  hints.ai_flags = ARES_AI_NOSORT;  // which connects to each of them
  struct Asked {
    DnsLookup* self;
    std::shared_ptr<bool> gone;
    int family;
  };
  ares_getaddrinfo(
      channel_, name_.c_str(), nullptr, &hints,
      [](void* data, int status, int /*timeouts*/, ares_addrinfo* result) {
        const std::unique_ptr<Asked> asked(static_cast<Asked*>(data));
        if (!*asked->gone) asked->self->AddressesAnswered(asked->family, status, result);
        if (result != nullptr) ares_freeaddrinfo(result);
      },
      new Asked{this, gone_, family});
  Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void DnsLookup::AddressesAnswered(int family, int status, ares_addrinfo* result) {
  if (status == ARES_SUCCESS) {
    return Finish([this, answer = Taken(*result)] { addresses_done_(answer); });
  }
  // Only a name without addresses is asked for the others: an error must not exchange them all.
  if (family == AF_INET && (status == ARES_ENODATA || status == ARES_ENOTFOUND)) {
    asio::post(io_, [this, gone = gone_] {
      if (!*gone) AskAddresses(AF_INET6);
    });
    return;
  }
  Finish([this, reason = Reason(status)] { addresses_done_(std::unexpected(reason)); });
}

void DnsLookup::Services(const std::string& name, Done<SrvAnswer> done) {
  services_done_ = std::move(done);
  if (!failure_.empty()) {
    return Finish([this] { services_done_(std::unexpected(failure_)); });
  }
  struct Asked {
    DnsLookup* self;
    std::shared_ptr<bool> gone;
  };
  ares_search(
      channel_, name.c_str(), ns_c_in, ns_t_srv,
      [](void* data, int status, int /*timeouts*/, unsigned char* message, int length) {
        const std::unique_ptr<Asked> asked(static_cast<Asked*>(data));
        if (*asked->gone) return;
        std::expected<SrvAnswer, std::string> answer = std::unexpected(Reason(status));
        if (status == ARES_SUCCESS) {
          answer = ParseSrv({message, static_cast<std::size_t>(length)});
        }
        asked->self->Finish(
            [self = asked->self, answer = std::move(answer)] { self->services_done_(answer); });
      },
      new Asked{this, gone_});
  Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

// c-ares may be in the middle of its work, and whoever is told may destroy this: later, then.
void DnsLookup::Finish(std::function<void()> tell) {
  asio::post(io_, [gone = gone_, tell = std::move(tell)] {
    if (!*gone) tell();
  });
}

void DnsLookup::OnSocket(int fd, bool read, bool write) {
  if (!read && !write) {  // c-ares closes it after this, also in its end
    const auto found = sockets_.find(fd);
    if (found == sockets_.end()) return;
    found->second->descriptor.release();
    sockets_.erase(found);
    return;
  }
  if (*gone_) return;
  auto& socket = sockets_[fd];
  if (socket == nullptr) socket = std::make_shared<Socket>(io_, fd);
  socket->wants_read = read;
  socket->wants_write = write;
  Wait(fd);
}

void DnsLookup::Wait(int fd) {
  const auto found = sockets_.find(fd);
  if (found == sockets_.end()) return;
  Socket& socket = *found->second;
  if (socket.wants_read && !std::exchange(socket.reads, true)) WaitFor(fd, socket, false);
  if (socket.wants_write && !std::exchange(socket.writes, true)) WaitFor(fd, socket, true);
}

void DnsLookup::WaitFor(int fd, Socket& socket, bool write) {
  using asio::posix::descriptor_base;
  socket.descriptor.async_wait(
      write ? descriptor_base::wait_write : descriptor_base::wait_read,
      [this, gone = gone_, fd, write, held = sockets_.at(fd)](boost::system::error_code error) {
        (write ? held->writes : held->reads) = false;
        if (error || *gone) return;
        // Another socket may have the number by now.
        const auto found = sockets_.find(fd);
        if (found == sockets_.end() || found->second != held) return;
        Process(write ? ARES_SOCKET_BAD : fd, write ? fd : ARES_SOCKET_BAD);
        if (!*gone) Wait(fd);
      });
}

void DnsLookup::Process(int read_fd, int write_fd) {
  ares_process_fd(channel_, read_fd, write_fd);
  timeval left{};
  if (ares_timeout(channel_, nullptr, &left) == nullptr) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec) +
                       std::chrono::milliseconds(1));
  timer_.async_wait([this, gone = gone_](boost::system::error_code error) {
    if (!error && !*gone) Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

}  // namespace remora::cli::discovery
