// The admin port of discovery: a small HTTP/1.1 server for probes and Prometheus.
//
// Threads: the loop's only. Lifetime: the loop outlives it, and it outlives its connections; after
// Stop they end by themselves. At most 16 at a time, each request within 5 s.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "cli/failure.h"

namespace remora::cli::discovery {

struct AdminAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
};

class Admin {
 public:
  // Answers a GET of `path`.
  using Handler = std::function<AdminAnswer(std::string_view path)>;

  Admin(boost::asio::io_context& io, Handler handler);

  // `address` is ip:port.
  Outcome Bind(const std::string& address);
  std::string address() const;  // as bound

  void Start();
  void Stop();

 private:
  using Socket = boost::asio::ip::tcp::socket;

  boost::asio::awaitable<void> Listen();
  boost::asio::awaitable<void> Serve(Socket accepted);

  boost::asio::io_context& io_;
  const Handler handler_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::set<Socket*> open_;
};

}  // namespace remora::cli::discovery
