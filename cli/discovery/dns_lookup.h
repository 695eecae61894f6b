// One question to DNS, asked with c-ares on the loop: no thread, and nothing that blocks.
//
// Each has a channel of its own, so that a changed resolv.conf counts with the next question.
// Threads: the loop's only. Lifetime: destroying it ends the question, and `done` is not called any
// more. `done` is called on the loop, never by the constructor, and may destroy it.
#pragma once

#include <ares.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/discovery/srv.h"

namespace remora::cli::discovery {

struct AddressAnswer {
  std::vector<std::string> addresses;  // without brackets
  std::uint32_t ttl_s = 0;             // the least of them
};

class DnsLookup {
 public:
  template <class Answer>
  using Done = std::function<void(std::expected<Answer, std::string>)>;

  // `server`: ip:port, or empty for those of resolv.conf.
  DnsLookup(boost::asio::io_context& io, const std::string& server);
  ~DnsLookup();
  DnsLookup(const DnsLookup&) = delete;
  DnsLookup& operator=(const DnsLookup&) = delete;

  // One of them, once. IPv4 addresses, or where the name has none those of IPv6, so that a host
  // with both is one server.
  void Addresses(const std::string& name, Done<AddressAnswer> done);
  void Services(const std::string& name, Done<SrvAnswer> done);

 private:
  struct Socket {
    explicit Socket(boost::asio::io_context& io, int fd) : descriptor(io, fd) {}
    boost::asio::posix::stream_descriptor descriptor;
    bool wants_read = false;
    bool wants_write = false;
    bool reads = false;  // a wait is under way
    bool writes = false;
  };

  void AskAddresses(int family);
  void AddressesAnswered(int family, int status, ares_addrinfo* result);
  void OnSocket(int fd, bool read, bool write);
  void Wait(int fd);
  void WaitFor(int fd, Socket& socket, bool write);
  void Process(int read_fd, int write_fd);
  void Finish(std::function<void()> tell);

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  ares_channel channel_ = nullptr;
  std::string failure_;  // why there is no channel
  std::map<int, std::shared_ptr<Socket>> sockets_;
  std::string name_;
  Done<AddressAnswer> addresses_done_;
  Done<SrvAnswer> services_done_;
  // What callbacks that are still on their way look at: true once this is destroyed.
  std::shared_ptr<bool> gone_ = std::make_shared<bool>(false);
};

}  // namespace remora::cli::discovery
