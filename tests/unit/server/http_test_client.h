// A blocking HTTP client on a raw socket, and a server with a loop on a thread of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "proxy/base/socket_address.h"
#include "proxy/net/asio_loop.h"
#include "server/config/values.h"

namespace remora::server {

class Client {
 public:
  explicit Client(const std::string& address) {
    const IpPort parsed = *ParseIpPort(address);
    const auto socket_address = *proxy::SocketAddress::FromIp(parsed.ip, parsed.port);
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(connect(fd_, socket_address.data(), socket_address.size()), 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(fd_); }

  void Send(const std::string& text) {
    EXPECT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Up to and with `end`, or to the end of the stream.
  std::string ReadUntil(const std::string& end) {
    std::size_t looked_at = 0;
    std::array<char, 65536> piece{};
    while (true) {
      const std::size_t found = received_.find(end, looked_at);
      if (found != std::string::npos) {
        std::string text = received_.substr(0, found + end.size());
        received_.erase(0, text.size());
        return text;
      }
      looked_at = received_.size() - std::min(received_.size(), end.size() - 1);
      const ssize_t size = recv(fd_, piece.data(), piece.size(), 0);
      if (size <= 0) return std::exchange(received_, {});
      received_.append(piece.data(), static_cast<std::size_t>(size));
    }
  }
  std::string ReadAll() { return ReadUntil("\x01 never"); }

 private:
  int fd_ = -1;
  std::string received_;  // and not yet asked for
};

// A loop on a thread of its own, ended with the server that was given to it.
template <class Server>
class Served {
 public:
  explicit Served(std::unique_ptr<proxy::net::AsioLoop> loop, std::unique_ptr<Server> server)
      : loop_(std::move(loop)), server_(std::move(server)), thread_([this] {
          server_->Start();
          loop_->Run();
        }) {}
  ~Served() {
    loop_->Post([this] {
      server_->Stop();
      loop_->Close();
    });
    thread_.join();
  }
  Server& server() { return *server_; }
  // On the loop's thread.
  void Post(proxy::net::Loop::Task task) { loop_->Post(std::move(task)); }

 private:
  std::unique_ptr<proxy::net::AsioLoop> loop_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

}  // namespace remora::server
