// The clients of the soak test: keep-alive connections that send random pipelines and check every
// byte of every answer, and that each is the answer to its own request, in order.
//
// Run is called once, and uses the calling thread for all connections. The seed determines every
// byte that each connection sends and where it is cut, not the time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/soak/message_plan.h"

namespace remora::soak {

struct ClientsOptions {
  std::uint16_t port = 0;
  std::uint64_t seed = 1;
  std::uint64_t messages = 20'000;
  std::size_t connections = 12;
  // Asked at the end; what it says, if anything, is a failure.
  std::function<std::string()> problem;
};

struct ClientsResult {
  std::uint64_t answered = 0;  // rightly
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t reconnects = 0;
  std::map<std::string, std::uint64_t> counts;  // of each kind of message that there is
  std::string failure;                          // empty: none
};

class PipelineClients {
 public:
  explicit PipelineClients(ClientsOptions options);
  ~PipelineClients();

  ClientsResult Run();

 private:
  class Client;

  void Wait();

  const ClientsOptions options_;
  ClientsResult result_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t running_ = 0;
};

}  // namespace remora::soak
