// Finding servers: all pages of a list, and the one that a person means by an id or a url.
//
// Threads: one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/control_client.h"
#include "cli/failure.h"

namespace remora::cli {

// All pages as one message. Empty `pool`: every pool.
Reply<v1::ListServersResponse> ListAllServers(ControlClient& client, const std::string& pool);

// It was removed and finishes its last requests: unlike one that DrainServer drained, it will go.
bool IsRemoved(const v1::Server& server);

// For completion: nothing where nobody answers. Empty `pool`: ids of every pool.
std::vector<std::string> ServerIds(ControlClient& client, const std::string& pool);
std::vector<std::string> PoolNames(ControlClient& client);

struct ServerName {
  std::string pool;
  std::string id;
};

// An argument without ':' and '/' is an id, and pool/id names its pool too; both are taken as they
// are, without a call. Anything else is a url and is looked up. Of servers with the same url one
// that was removed and drains counts only when there is no other; more than one match is
// kPrecondition and names them.
Reply<ServerName> ResolveServer(ControlClient& client, const std::string& pool,
                                const std::string& id_or_url);

// One spelling for urls that mean the same: "HTTP://A:80/" and "a" are both "http://a:80".
std::string CanonicalUrl(std::string_view url);

}  // namespace remora::cli
