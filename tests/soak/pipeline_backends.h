// The backends of the soak test: several servers on one thread with epoll. Each answers as the id
// of a request says (message_plan.h), tells what it received, and closes a connection only where it
// has said so.
//
// Thread-safe. They end when they are destroyed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace remora::soak {

class PipelineBackends {
 public:
  explicit PipelineBackends(std::size_t count);
  ~PipelineBackends();
  PipelineBackends(const PipelineBackends&) = delete;
  PipelineBackends& operator=(const PipelineBackends&) = delete;

  std::vector<std::string> urls() const;
  // Requests that were answered, by backend.
  std::vector<std::uint64_t> requests() const;
  std::uint64_t connections() const { return accepted_; }
  // The first thing that should not have come; empty while all is well.
  std::string problem() const;

 private:
  struct Backend;
  struct Connection;

  void Run();
  void Accept(Backend& backend);
  void Watch(Connection& connection);
  bool OnReadable(Connection& connection);
  bool OnHead(Connection& connection);
  void OnRequest(Connection& connection);
  bool Send(Connection& connection);
  bool Fail(const Connection& connection, const std::string& what);

  int epoll_ = -1;
  int stop_ = -1;
  std::vector<std::unique_ptr<Backend>> backends_;
  std::vector<std::unique_ptr<Connection>> connections_;  // of the thread, by descriptor
  std::array<char, 65536> buffer_;
  std::atomic<std::uint64_t> accepted_ = 0;
  mutable std::mutex mu_;
  std::string problem_;
  std::thread thread_;
};

}  // namespace remora::soak
