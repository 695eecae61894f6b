// Calls the control API: one method a call, each with a deadline, errors decoded into Failure.
//
// Threads: one at a time. Lifetime: stands alone.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "cli/failure.h"
#include "remora/v1/control.pb.h"

namespace remora::cli {

// The seam for tests of the commands.
class ControlClient {
 public:
  virtual ~ControlClient() = default;

  virtual Reply<v1::AddServerResponse> AddServer(const v1::AddServerRequest& request) = 0;
  virtual Reply<v1::RemoveServerResponse> RemoveServer(const v1::RemoveServerRequest& request) = 0;
  virtual Reply<v1::UpdateServerResponse> UpdateServer(const v1::UpdateServerRequest& request) = 0;
  virtual Reply<v1::DrainServerResponse> DrainServer(const v1::DrainServerRequest& request) = 0;
  virtual Reply<v1::UndrainServerResponse> UndrainServer(
      const v1::UndrainServerRequest& request) = 0;
  virtual Reply<v1::ReplaceServersResponse> ReplaceServers(
      const v1::ReplaceServersRequest& request) = 0;
  virtual Reply<v1::ListServersResponse> ListServers(const v1::ListServersRequest& request) = 0;
  virtual Reply<v1::Server> GetServer(const v1::GetServerRequest& request) = 0;
  virtual Reply<v1::HealthResponse> Health(const v1::HealthRequest& request) = 0;
  virtual Reply<v1::ShutdownResponse> Shutdown(const v1::ShutdownRequest& request) = 0;
};

// `address` is `unix:/path` or `host:port`; each call may take `timeout`. Connects with the first
// call. The error is one of the address.
Reply<std::unique_ptr<ControlClient>> Connect(const std::string& address,
                                              std::chrono::milliseconds timeout);

}  // namespace remora::cli
